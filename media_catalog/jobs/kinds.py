"""The kinds of job: what each does with one item."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Bucket, Finding, Image, JobItem, RequestClass, StoredFile, TrashedObject
from media_catalog.services import (
    adoption,
    bucket_removal,
    buckets,
    detection,
    file_removal,
    findings,
    inventory,
    reconcile,
    renditions,
    retention,
    sweeping,
    trash,
    trash_objects,
    trash_purge,
    trash_restore,
)
from media_catalog.services.object_keys import visible
from media_catalog.services.turns import TURN_SECONDS

FINDINGS = 20  # acted on between two looks at the clock


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
    from the options. `in_trash_too`: it also takes images that are in the trash.
    """

    slug: str
    label: str | Promise
    run: Callable[[Image | None, Mapping[str, Any]], Outcome]
    permissions: Sequence[str]
    takes_images: bool = True
    in_trash_too: bool = False
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
    if trash.move_image(image=image):
        return _done(_("Moved to the trash."))
    return _done(_("S3 had no such object any more: the image was removed for good."))


def _trash_objects(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _skipped(_("The bucket is not in the catalogue any more."), "gone")
    moved = trash_objects.move_objects(bucket=bucket, keys=options["keys"], run=options["run"])
    said = ngettext("%(count)d object moved to the trash.", "%(count)d objects moved to the trash.", moved.count)
    return _ended(said % {"count": moved.count}, done=moved.done, failed=[f"{key}: {why}" for key, why in moved.failed])


def _restore(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    turn = trash_restore.restore_run(options["run"])
    said = [
        ngettext("%(count)d object restored.", "%(count)d objects restored.", turn.restored) % {"count": turn.restored}
    ]
    said += [
        _("“%(old)s” is “%(new)s” now: its key was taken.") % {"old": visible(old), "new": visible(new)}
        for old, new in turn.renamed
    ]
    missing = options["count"] - turn.restored
    failed = [_("The trash says why.")] * missing if turn.done else []
    return _ended(" ".join(said), done=turn.done, failed=failed)


def _purge(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    _count, done = trash_purge.purge_run(options["run"])
    left = TrashedObject.objects.filter(run=options["run"]).count()
    count = options["count"] - left
    said = ngettext("%(count)d object purged.", "%(count)d objects purged.", count) % {"count": count}
    held = [_("Its bucket is under legal hold, or it has been restored.")] * left if done else []
    return _ended(said, done=done, failed=held)


def _ended(said: str, *, done: bool, failed: Sequence[str]) -> Outcome:
    """Of a turn: it goes on, or ends well or with what could not be done."""
    if not done:
        return _goes_on(said)
    if not failed:
        return _done(said)
    words = ngettext("%(count)d could not: %(why)s", "%(count)d could not. The first: %(why)s", len(failed))
    message = f"{said} {words % {'count': len(failed), 'why': failed[0]}}"
    return Outcome(state=JobItem.State.FAILED, message=message, code="partly")


def _sync_buckets(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    result = buckets.sync()
    return _done(
        _("%(seen)d buckets seen, %(added)d new, %(missing)d missing.")
        % {"seen": result.seen, "added": result.added, "missing": result.missing}
    )


def _sync_inventory(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    """The scan in turns, then the look for discrepancies, which costs no request."""
    bucket = _bucket(options)
    if bucket is None:
        return _bucket_gone()
    try:
        turn = inventory.sync(bucket, run=options["run"])
    except inventory.Replaced:
        return _skipped(_("Another inventory of this bucket has begun meanwhile."), "replaced")
    said = ngettext("%(count)d entry listed.", "%(count)d entries listed.", turn.count) % {"count": turn.count}
    found = reconcile.reconcile(bucket) if turn.done else None
    if found is None or not found.done:
        return _goes_on(said)
    return _done(f"{said} {_discrepancies(found.count)}")


def _reconcile(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _bucket_gone()
    found = reconcile.reconcile(bucket)
    if found is None:
        return _skipped(_("There is no inventory of this bucket yet."), "no_inventory")
    return _done(_discrepancies(found.count)) if found.done else _goes_on(_discrepancies(found.count))


def _discrepancies(count: int) -> str:
    return ngettext("%(count)d finding is open.", "%(count)d findings are open.", count) % {"count": count}


def _adopt_objects(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _bucket_gone()
    counts, done = adoption.adopt(bucket, run=options["run"], any_name=options["any_name"])
    said = _("%(catalogued)d images catalogued, %(skipped)d objects skipped.") % counts
    return _done(said) if done else _goes_on(said)


def _act_on_findings(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    """Those that this run has not handled yet, for one turn."""
    until = time.monotonic() + TURN_SECONDS
    mine = Finding.objects.filter(pk__in=options["findings"])
    waiting = mine.exclude(run=options["run"]).select_related("bucket").order_by("pk")
    while time.monotonic() < until and (batch := waiting[:FINDINGS]):
        for finding in batch:
            findings.act(finding, options["action"], by=options["by"], run=options["run"])
    handled = mine.filter(run=options["run"])
    still_there = handled.filter(action=options["action"], state=Finding.State.RESOLVED).count()
    counts = {"resolved": still_there, "others": handled.count() - still_there}
    said = _("%(resolved)d findings resolved; %(others)d were gone or could not be, each says why.") % counts
    return _goes_on(said) if waiting.exists() else _done(said)


def _cost_of_findings(options: Mapping[str, Any]) -> Mapping[str, int]:
    return findings.cost(Finding.objects.filter(pk__in=options["findings"]), options["action"])


def _bucket_gone() -> Outcome:
    return _skipped(_("The bucket is not in the catalogue any more."), "gone")


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


def _cost_of_inventory(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return inventory.cost(bucket) if bucket else {}


def _cost_of_adopting(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return adoption.cost(bucket, any_name=options["any_name"]) if bucket else {}


def _cost_of_emptying(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return bucket_removal.empty_cost(bucket) if bucket else {}


def _cost_of_trashing(options: Mapping[str, Any]) -> Mapping[str, int]:
    return trash.cost_of_moving(len(options["keys"]))


def _cost_of_restoring(options: Mapping[str, Any]) -> Mapping[str, int]:
    return trash_restore.cost(options["count"])


def _cost_of_purging(options: Mapping[str, Any]) -> Mapping[str, int]:
    return trash_purge.cost(TrashedObject.objects.filter(run=options["run"]))


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
                label=gettext_lazy("Move images to trash"),
                run=_remove_images,
                permissions=["media_catalog.delete_image"],
                in_trash_too=True,  # an attempt that was cut off has hidden the image already
            ),
            Kind(
                slug="trash_objects",
                label=gettext_lazy("Move objects to trash"),
                run=_trash_objects,
                permissions=["media_catalog.delete_objects"],
                takes_images=False,
                requests=_cost_of_trashing,
            ),
            Kind(
                slug="restore",
                label=gettext_lazy("Restore from trash"),
                run=_restore,
                permissions=["media_catalog.restore_trashedobject"],
                takes_images=False,
                requests=_cost_of_restoring,
            ),
            Kind(
                slug="purge",
                label=gettext_lazy("Purge trash"),
                run=_purge,
                permissions=["media_catalog.purge_trashedobject"],
                takes_images=False,
                requests=_cost_of_purging,
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
                slug="sync_inventory",
                label=gettext_lazy("Take inventory"),
                run=_sync_inventory,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
                requests=_cost_of_inventory,
            ),
            Kind(
                slug="reconcile",
                label=gettext_lazy("Look for discrepancies"),
                run=_reconcile,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
            ),
            Kind(
                slug="adopt_objects",
                label=gettext_lazy("Catalogue existing objects"),
                run=_adopt_objects,
                permissions=["media_catalog.adopt_objects"],
                takes_images=False,
                requests=_cost_of_adopting,
            ),
            *(
                Kind(
                    slug=slug,
                    label=label,
                    run=_act_on_findings,
                    permissions=[permission],
                    takes_images=False,
                    requests=_cost_of_findings,
                )
                for slug, label, permission in (
                    ("resolve_findings", gettext_lazy("Resolve findings"), "media_catalog.resolve_finding"),
                    ("adopt_findings", gettext_lazy("Adopt what was found"), "media_catalog.adopt_objects"),
                    ("delete_findings", gettext_lazy("Delete what was found"), "media_catalog.delete_found"),
                )
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
