"""Removing an image: its object, its renditions and their rows together."""

from media_catalog.aws import s3
from media_catalog.models import Image

from . import previews


def remove(*, image: Image) -> int:
    """Delete the image's objects, then its row; returns how many objects. One DELETE each, free of charge.

    Objects first: a run that is cut off leaves the row, and the next run deletes again what is gone already.
    """
    renditions = list(image.renditions.select_related("bucket"))
    for rendition in renditions:
        s3.delete_object(rendition.bucket.name, rendition.key)
        previews.forget(rendition)
    s3.delete_object(image.bucket.name, image.key)
    image.delete()
    return len(renditions) + 1
