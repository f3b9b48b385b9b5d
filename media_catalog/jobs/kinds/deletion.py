"""Jobs that delete: to the trash and out of it, and for good."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.exceptions import BackofficeError
from media_catalog.models import Image, Job, TrashedObject
from media_catalog.services import restore_costs, retention, sweeping, trash_objects, trash_purge, trash_restore

from .base import Kind, Outcome, bucket_gone, bucket_of, done, ended, failed, goes_on, skipped


def _trash_objects(image: Image | None, job: Job) -> Outcome:
    bucket = bucket_of(job.options)
    if bucket is None:
        return bucket_gone()
    with _settled(job) as settled:
        moved = trash_objects.move_objects(
            bucket=bucket, keys=job.options["keys"], run=job.options["run"], settled=settled
        )
    return _moved(moved)


def _remove_files(image: Image | None, job: Job) -> Outcome:
    with _settled(job) as settled:
        moved = trash_objects.move_files(ids=job.options["files"], run=job.options["run"], settled=settled)
    return _moved(moved, trash_objects.lost_files(job.options["files"]) if moved.done else "")


@contextmanager
def _settled(job: Job) -> Iterator[set[Any]]:
    """What had its turn, kept with the job: what somebody restores meanwhile must not go once more."""
    settled = set(job.options.get("settled", ()))
    fault = None
    try:
        yield settled
    except BackofficeError as error:
        fault = error
    job.options["settled"] = sorted(settled)
    Job.objects.filter(pk=job.pk).update(options=job.options)
    if fault:
        raise fault


def _moved(moved: trash_objects.Moved, lost: str = "") -> Outcome:
    said = ngettext("%(count)d object moved to the trash.", "%(count)d objects moved to the trash.", moved.count)
    failures = [f"{what}: {why}" for what, why in moved.failed]
    return ended(f"{said % {'count': moved.count}} {lost}".strip(), over=moved.done, failures=failures)


def _restore(image: Image | None, job: Job) -> Outcome:
    turn = trash_restore.restore_run(job.options["run"])
    said = [
        ngettext("%(count)d object restored.", "%(count)d objects restored.", turn.restored) % {"count": turn.restored}
    ]
    said += trash_restore.changed_words(turn)
    missing = job.options["count"] - turn.restored
    failures = [_("The trash says why.")] * missing if turn.done else []
    return ended(" ".join(said), over=turn.done, failures=failures)


def _purge(image: Image | None, job: Job) -> Outcome:
    _count, over = trash_purge.purge_run(job.options["run"])
    left = TrashedObject.objects.filter(run=job.options["run"]).count()
    count = job.options["count"] - left
    said = ngettext("%(count)d object purged.", "%(count)d objects purged.", count) % {"count": count}
    held = [_("Its bucket is under legal hold, or it has been restored.")] * left if over else []
    return ended(said, over=over, failures=held)


def _sweep_retention(image: Image | None, job: Job) -> Outcome:
    bucket = bucket_of(job.options)
    if bucket is None:
        return bucket_gone()
    swept = sweeping.sweep(bucket, run=job.options["run"])
    said = ngettext("%(count)d removed.", "%(count)d removed.", swept.removed) % {"count": swept.removed}
    if not swept.done:
        return goes_on(said)
    if swept.stopped:
        return skipped(_("%(said)s Then the rule was off, or the bucket under legal hold.") % {"said": said}, "held")
    return failed(f"{said} {_kept(swept.failed, swept.reasons)}", "not_deleted") if swept.failed else done(said)


def _kept(count: int, reasons: str) -> str:
    return ngettext(
        "S3 did not delete %(count)d, which stays: %(reasons)s.",
        "S3 did not delete %(count)d, which stay: %(reasons)s.",
        count,
    ) % {"count": count, "reasons": reasons}


def _waiting(options: Mapping[str, Any], name: str) -> set[Any]:
    """Those of the selection that had no turn yet."""
    return set(options[name]) - set(options.get("settled", ()))


def _keys_left(options: Mapping[str, Any]) -> int:
    return len(_waiting(options, "keys"))


def _files_left(options: Mapping[str, Any]) -> int:
    return len(_waiting(options, "files"))


def _restorable(options: Mapping[str, Any]) -> int:
    return trash_restore.left(options["run"]).count()


def _purgeable(options: Mapping[str, Any]) -> int:
    return trash_purge.purgeable(TrashedObject.objects.filter(run=options["run"])).count()


def _due(options: Mapping[str, Any]) -> int:
    bucket = bucket_of(options)
    return retention.preview(bucket).count if bucket else 0


def _cost_of_trashing(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = bucket_of(options)
    return trash_objects.cost_of_objects(bucket, _waiting(options, "keys")) if bucket else {}


def _cost_of_restoring(options: Mapping[str, Any]) -> Mapping[str, int]:
    return restore_costs.cost(trash_restore.left(options["run"]))


def _cost_of_purging(options: Mapping[str, Any]) -> Mapping[str, int]:
    return trash_purge.cost(TrashedObject.objects.filter(run=options["run"]))


def _cost_of_removing_files(options: Mapping[str, Any]) -> Mapping[str, int]:
    return trash_objects.cost_of_files(_waiting(options, "files"))


def _cost_of_sweeping(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = bucket_of(options)
    return retention.cost(bucket) if bucket else {}


_DELETE = ("delete_objects", "delete_image", "delete_storedfile")
KINDS = (
    Kind(
        slug="trash_objects",
        label=gettext_lazy("Move objects to trash"),
        run=_trash_objects,
        permissions=["media_catalog.delete_objects"],
        takes_images=False,
        requests=_cost_of_trashing,
        left=_keys_left,
    ),
    Kind(
        slug="restore",
        label=gettext_lazy("Restore from trash"),
        run=_restore,
        # Who deletes may undo it: the pages see to it that it is their own.
        permissions=[f"media_catalog.{name}" for name in ("restore_trashedobject", *_DELETE)],
        takes_images=False,
        requests=_cost_of_restoring,
        left=_restorable,
    ),
    Kind(
        slug="purge",
        label=gettext_lazy("Purge trash"),
        run=_purge,
        permissions=["media_catalog.purge_trashedobject"],
        takes_images=False,
        requests=_cost_of_purging,
        left=_purgeable,
    ),
    Kind(
        slug="remove_files",
        label=gettext_lazy("Move files to trash"),
        run=_remove_files,
        permissions=["media_catalog.delete_storedfile"],
        takes_images=False,
        requests=_cost_of_removing_files,
        left=_files_left,
    ),
    Kind(
        slug="sweep_retention",
        label=gettext_lazy("Sweep by the retention rule"),
        run=_sweep_retention,
        permissions=["media_catalog.set_retention"],
        takes_images=False,
        requests=_cost_of_sweeping,
        left=_due,
    ),
)
