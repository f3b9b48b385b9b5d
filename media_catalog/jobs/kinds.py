"""The kinds of job: what each does with one item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Image, JobItem, RequestClass
from media_catalog.services import buckets, detection, removal, renditions


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an item ended, `message` in words for staff. QUEUED: it did not, and is tried again after `wait` seconds."""

    state: JobItem.State
    message: str
    code: str = ""
    wait: float = 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`run` takes the item's image (None for kinds without) and the job's options.

    Whoever has one of the `permissions` may have it run. `requests` is the estimate of a kind that takes no images.
    """

    slug: str
    label: str | Promise
    run: Callable[[Image | None, Mapping[str, Any]], Outcome]
    permissions: Sequence[str]
    takes_images: bool = True
    requests: Mapping[str, int] = field(default_factory=dict)


def _done(message: str) -> Outcome:
    return Outcome(state=JobItem.State.DONE, message=message)


def _skipped(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.SKIPPED, message=message, code=code)


def _make_renditions(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    made = renditions.make(image=image)
    if not made:
        return _skipped(_("All renditions are current."), "current")
    return _done(ngettext("%(count)d rendition made.", "%(count)d renditions made.", made) % {"count": made})


def _detect_faces(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    if not options.get("again") and detection.is_current(image):
        return _skipped(_("Analysed already, and the image has not changed."), "current")
    analysis = detection.detect(image=image)
    if analysis.state == Analysis.State.NO_FACES:
        return _done(_("No faces found."))
    count = analysis.face_count
    return _done(ngettext("%(count)d face found.", "%(count)d faces found.", count) % {"count": count})


def _remove_images(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    count = removal.remove(image=image)
    return _done(ngettext("%(count)d object deleted.", "%(count)d objects deleted.", count) % {"count": count})


def _sync_buckets(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    result = buckets.sync()
    return _done(
        _("%(seen)d buckets seen, %(added)d new, %(missing)d missing.")
        % {"seen": result.seen, "added": result.added, "missing": result.missing}
    )


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.slug: kind
        for kind in (
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
                label=gettext_lazy("Remove images"),
                run=_remove_images,
                permissions=["media_catalog.delete_image"],
            ),
            Kind(
                slug="sync_buckets",
                label=gettext_lazy("Synchronise buckets"),
                run=_sync_buckets,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
                requests={RequestClass.S3_TIER1.value: 1},
            ),
        )
    }
)
