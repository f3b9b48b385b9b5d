"""Static files, published to where browsers fetch them."""

from media_catalog.aws.static_files import PublishedStaticFiles


def publish() -> int:
    """Put the collected files that the static bucket lacks; returns how many. One LIST, and one PUT for each."""
    storage = PublishedStaticFiles()
    names = storage.missing()
    for name in names:
        storage.publish(name)
    return len(names)
