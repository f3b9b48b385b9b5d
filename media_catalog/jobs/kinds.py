"""The kinds of job: what each does with one item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Bucket, Image, JobItem, RequestClass, StoredFile
from media_catalog.services import (
    bucket_removal,
    buckets,
    detection,
    file_removal,
    removal,
    renditions,
    retention,
    sweeping,
)


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
    """`run` takes the item's image (None for kinds without) and the job's options.

    Whoever has one of the `permissions` may have it run. `requests` is the estimate of a kind that takes no images,
    from the options.
    """

    slug: str
    label: str | Promise
    run: Callable[[Image | None, Mapping[str, Any]], Outcome]
    permissions: Sequence[str]
    takes_images: bool = True
    requests: Callable[[Mapping[str, Any]], Mapping[str, int]] = _no_requests


def _done(message: str) -> Outcome:
    return Outcome(state=JobItem.State.DONE, message=message)


def _skipped(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.SKIPPED, message=message, code=code)


def _failed(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.FAILED, message=message, code=code)


def _goes_on(message: str) -> Outcome:
    return Outcome(state=JobItem.State.QUEUED, message=message, got_on=True)


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


def _count_objects(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _skipped(_("The bucket is not in the catalogue any more."), "gone")
    turn = bucket_removal.count(bucket, run=options["run"])
    said = ngettext("%(count)d entry counted.", "%(count)d entries counted.", turn.count) % {"count": turn.count}
    return _done(said) if turn.done else _goes_on(said)


def _empty_bucket(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _done(_("Deleted."))
    turn = bucket_removal.empty_and_delete(bucket, run=options["run"])
    said = ngettext("%(count)d entry deleted.", "%(count)d entries deleted.", turn.count) % {"count": turn.count}
    return _done(_("%(entries)s The bucket is deleted.") % {"entries": said}) if turn.done else _goes_on(said)


def _remove_files(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    turn = file_removal.turn(options["files"])
    said = ngettext("%(count)d file deleted.", "%(count)d files deleted.", turn.removed) % {"count": turn.removed}
    if not turn.done:
        return _goes_on(said)
    return _failed(f"{said} {_kept(turn.failed, turn.reasons)}", "not_deleted") if turn.failed else _done(said)


def _sweep_retention(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _skipped(_("The bucket is not in the catalogue any more."), "gone")
    swept = sweeping.sweep(bucket, run=options["run"])
    said = ngettext("%(count)d removed.", "%(count)d removed.", swept.removed) % {"count": swept.removed}
    if not swept.done:
        return _goes_on(said)
    if swept.stopped:
        return _skipped(_("%(said)s Then the rule was off, or the bucket under legal hold.") % {"said": said}, "held")
    return _failed(f"{said} {_kept(swept.failed, swept.reasons)}", "not_deleted") if swept.failed else _done(said)


def _kept(count: int, reasons: str) -> str:
    return ngettext(
        "S3 did not delete %(count)d, which stays: %(reasons)s.",
        "S3 did not delete %(count)d, which stay: %(reasons)s.",
        count,
    ) % {"count": count, "reasons": reasons}


def _cost_of_removing_files(options: Mapping[str, Any]) -> Mapping[str, int]:
    return file_removal.cost(StoredFile.objects.filter(pk__in=options["files"]))


def _cost_of_sweeping(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return retention.cost(bucket) if bucket else {}


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
            Kind(
                slug="remove_files",
                label=gettext_lazy("Delete files"),
                run=_remove_files,
                permissions=["media_catalog.delete_storedfile"],
                takes_images=False,
                requests=_cost_of_removing_files,
            ),
            Kind(
                slug="sweep_retention",
                label=gettext_lazy("Sweep by the retention rule"),
                run=_sweep_retention,
                permissions=["media_catalog.set_retention"],
                takes_images=False,
                requests=_cost_of_sweeping,
            ),
        )
    }
)
