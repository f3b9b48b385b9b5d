"""Jobs on images of the catalogue."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Image, Job
from media_catalog.services import detection, renditions, trash

from .base import Kind, Outcome, done, skipped


def _make_renditions(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    stale_of = job.options.get("stale_of")
    made = renditions.make(image=image, stale_of=stale_of)
    if not made:
        said = _("All renditions are current.") if stale_of is None else _("There is no stale one any more.")
        return skipped(said, "current")
    return done(ngettext("%(count)d rendition made.", "%(count)d renditions made.", made) % {"count": made})


def _detect_faces(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    # “Again” means once more after it was asked for: two who ask at the same time get one analysis.
    if detection.is_current(image, since=job.created_at if job.options.get("again") else None):
        return skipped(_("Analysed already, and the image has not changed."), "current")
    analysis = detection.detect(image=image)
    if analysis.state == Analysis.State.NO_FACES:
        return done(_("No faces found."))
    count = analysis.face_count
    return done(ngettext("%(count)d face found.", "%(count)d faces found.", count) % {"count": count})


def _remove_images(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    if trash.move_image(image=image):
        return done(_("Moved to the trash."))
    return done(_("S3 had no such object any more: the image was removed for good."))


KINDS = (
    Kind(
        slug="make_renditions",
        label=gettext_lazy("Make renditions"),
        run=_make_renditions,
        permissions=["media_catalog.make_renditions_image", "media_catalog.add_image"],  # an upload makes some
    ),
    Kind(
        slug="detect_faces",
        label=gettext_lazy("Detect faces"),
        run=_detect_faces,
        permissions=["media_catalog.detect_faces_image"],
    ),
    Kind(
        slug="remove_images",
        label=gettext_lazy("Move images to trash"),
        run=_remove_images,
        permissions=["media_catalog.delete_image"],
        in_trash_too=True,  # an attempt that was cut off has hidden the image already
    ),
)
