"""The kinds of job: what each does with one item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Bucket, Image, Job, JobItem, RequestClass
from media_catalog.services import bucket_removal, buckets, detection, removal, renditions


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an item ended, `message` in words for staff. QUEUED: it did not, and is tried again after `wait` seconds."""

    state: JobItem.State
    message: str
    code: str = ""
    wait: float = 0
    got_on: bool = False  # it is tried again because there is more to do: not an attempt that failed


def _no_requests(options: Mapping[str, Any]) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`run` takes the item's image (None for kinds without) and the job.

    Whoever has one of the `permissions` may have it run. `requests` is the estimate of a kind that takes no images,
    from the options.
    """

    slug: str
    label: str | Promise
    run: Callable[[Image | None, Job], Outcome]
    permissions: Sequence[str]
    takes_images: bool = True
    requests: Callable[[Mapping[str, Any]], Mapping[str, int]] = _no_requests


def _done(message: str) -> Outcome:
    return Outcome(state=JobItem.State.DONE, message=message)


def _skipped(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.SKIPPED, message=message, code=code)


def _goes_on(message: str) -> Outcome:
    return Outcome(state=JobItem.State.QUEUED, message=message, got_on=True)


def _make_renditions(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    made = renditions.make(image=image)
    if not made:
        return _skipped(_("All renditions are current."), "current")
    return _done(ngettext("%(count)d rendition made.", "%(count)d renditions made.", made) % {"count": made})


def _detect_faces(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    # “Again” means once more after it was asked for: two who ask at the same time get one analysis.
    if detection.is_current(image, since=job.created_at if job.options.get("again") else None):
        return _skipped(_("Analysed already, and the image has not changed."), "current")
    analysis = detection.detect(image=image)
    if analysis.state == Analysis.State.NO_FACES:
        return _done(_("No faces found."))
    count = analysis.face_count
    return _done(ngettext("%(count)d face found.", "%(count)d faces found.", count) % {"count": count})


def _remove_images(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    count = removal.remove(image=image)
    return _done(ngettext("%(count)d object deleted.", "%(count)d objects deleted.", count) % {"count": count})


def _sync_buckets(image: Image | None, job: Job) -> Outcome:
    result = buckets.sync()
    return _done(
        _("%(seen)d buckets seen, %(added)d new, %(missing)d missing.")
        % {"seen": result.seen, "added": result.added, "missing": result.missing}
    )


def _count_objects(image: Image | None, job: Job) -> Outcome:
    bucket = _bucket(job.options)
    if bucket is None:
        return _skipped(_("The bucket is not in the catalogue any more."), "gone")
    turn = bucket_removal.count(bucket, run=job.options["run"])
    said = ngettext("%(count)d entry counted.", "%(count)d entries counted.", turn.count) % {"count": turn.count}
    return _done(said) if turn.done else _goes_on(said)


def _empty_bucket(image: Image | None, job: Job) -> Outcome:
    bucket = _bucket(job.options)
    if bucket is None:
        return _done(_("Deleted."))
    turn = bucket_removal.empty_and_delete(bucket, run=job.options["run"])
    said = ngettext("%(count)d entry deleted.", "%(count)d entries deleted.", turn.count) % {"count": turn.count}
    return _done(_("%(entries)s The bucket is deleted.") % {"entries": said}) if turn.done else _goes_on(said)


def _cost_of_counting(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return bucket_removal.count_cost(bucket) if bucket else {}


def _cost_of_emptying(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return bucket_removal.empty_cost(bucket) if bucket else {}


def _bucket(options: Mapping[str, Any]) -> Bucket | None:
    """The bucket that the job is about; None when its row is gone."""
    return Bucket.objects.filter(pk=options["bucket"]).first()


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
                requests=lambda options: {RequestClass.S3_TIER1.value: 1},
            ),
            Kind(
                slug="count_objects",
                label=gettext_lazy("Count objects"),
                run=_count_objects,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
                requests=_cost_of_counting,
            ),
            Kind(
                slug="empty_bucket",
                label=gettext_lazy("Empty and delete bucket"),
                run=_empty_bucket,
                permissions=["media_catalog.empty_bucket"],
                takes_images=False,
                requests=_cost_of_emptying,
            ),
        )
    }
)
