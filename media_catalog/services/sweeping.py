"""The sweep: removes for good, in batches, what the retention rule of a bucket lets go."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from media_catalog.exceptions import BackofficeError
from media_catalog.models import AuditEvent, Bucket, Image, StoredFile
from media_catalog.quota import audit

from . import batches
from .names import KINDS
from .retention import due
from .turns import TURN_SECONDS


@dataclass(frozen=True, kw_only=True)
class Swept:
    """In all turns of the run: `removed` images and files, and those `failed` with the `reasons` that S3 gave.

    `stopped`: the rule is off or the bucket under legal hold by now. `done`: this was the last turn.
    """

    removed: int
    failed: int
    reasons: str
    stopped: bool
    done: bool


def sweep(bucket: Bucket, *, run: str) -> Swept:
    """Remove what is due, for one turn; `run` names the sweep that goes on.

    Rule, legal hold and exemptions are looked up anew for each batch. Objects go before their rows, so a run that is
    cut off goes on where it stopped; what S3 does not delete keeps its row and is passed over until the next sweep.
    """
    so_far = _so_far(bucket, run)
    until = time.monotonic() + TURN_SECONDS
    try:
        while True:
            ruled = Bucket.objects.swept().filter(pk=bucket.pk).first()
            batch = _next(ruled, so_far) if ruled else []
            if ruled is None or not batch:
                return _end(bucket, so_far, stopped=ruled is None)
            deleted = batches.delete(ruled, batch)
            _add(so_far, batch, deleted)
            gone = [row.key for row in batch if row.pk not in deleted.failed]
            audit.deleted(AuditEvent.Action.RETENTION_SWEPT, bucket=ruled.name, keys=gone, username="")
            if time.monotonic() > until:
                break
    except BackofficeError:
        _store(bucket, {**so_far, "failed_at": timezone.now().isoformat()})
        raise
    _store(bucket, so_far)
    return _swept(so_far, done=False)


def _next(bucket: Bucket, so_far: dict[str, Any]) -> list[batches.Row]:
    """The next rows of one kind, after those that were tried already. A kind that has none left is done with."""
    for kind in KINDS:
        if kind.__name__ in so_far["over"]:
            continue
        rows = due(bucket, kind).filter(_after(kind, so_far)).select_related("bucket")
        if batch := list(rows[: batches.BATCH]):
            return batch
        so_far["over"].append(kind.__name__)
    return []


def _after(kind: type[Image] | type[StoredFile], so_far: dict[str, Any]) -> Q:
    place = so_far["after"].get(kind.__name__)
    if place is None:
        return Q()
    created_at, pk = datetime.fromisoformat(place[0]), place[1]
    return Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk)


def _add(so_far: dict[str, Any], batch: list[batches.Row], deleted: batches.Deleted) -> None:
    last = batch[-1]
    so_far["after"][type(last).__name__] = [last.created_at.isoformat(), last.pk]
    so_far["removed"] += deleted.rows
    so_far["objects"] += deleted.objects
    so_far["bytes"] += deleted.bytes
    so_far["failed"] += len(deleted.failed)
    so_far["reasons"] = batches.reasons(deleted.failed) or so_far["reasons"]


def _end(bucket: Bucket, so_far: dict[str, Any], *, stopped: bool) -> Swept:
    ended = timezone.now().isoformat()
    _store(bucket, {**so_far, "ended_at": ended, **({"failed_at": ended} if so_far["failed"] else {})})
    return _swept(so_far, done=True, stopped=stopped)


def _swept(so_far: dict[str, Any], *, done: bool, stopped: bool = False) -> Swept:
    return Swept(
        removed=so_far["removed"], failed=so_far["failed"], reasons=so_far["reasons"], stopped=stopped, done=done
    )


def _so_far(bucket: Bucket, run: str) -> dict[str, Any]:
    """Where the run has got to, or the start of a new one."""
    held: dict[str, Any] = bucket.sweep
    if held.get("run") == run:
        return {name: value for name, value in held.items() if name != "failed_at"}
    return {"run": run, "after": {}, "over": [], "removed": 0, "objects": 0, "bytes": 0, "failed": 0, "reasons": ""}


def _store(bucket: Bucket, so_far: dict[str, Any]) -> None:
    Bucket.objects.filter(pk=bucket.pk).update(sweep=so_far)
