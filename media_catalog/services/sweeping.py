"""The sweep: removes for good, in batches, what the retention rule of a bucket lets go."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db.models import Q
from django.utils import timezone

from media_catalog.exceptions import BackofficeError
from media_catalog.models import AuditEvent, Bucket
from media_catalog.quota import audit

from . import batches
from .names import KINDS
from .retention import due
from .turns import TURN_SECONDS

_FACTS = ("pk", "key", "created_at")


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

    Rule, legal hold and exemptions are looked up anew for each request. Objects go before their rows, so a run that is
    cut off goes on where it stopped; what S3 does not delete keeps its row and is passed over until the next sweep.
    Of each bucket all requests but the last are full: images wait until the renditions of others fill one.
    """
    so_far = _so_far(bucket, run)
    until = time.monotonic() + TURN_SECONDS
    try:
        while True:
            ruled = Bucket.objects.swept().filter(pk=bucket.pk).first()
            if ruled is None or not _go_on(ruled, so_far):
                return _end(bucket, so_far, stopped=ruled is None)
            if time.monotonic() > until:
                break
    except BackofficeError:
        _store(bucket, {**so_far, "failed_at": timezone.now().isoformat()})
        raise
    _store(bucket, so_far)
    return _swept(so_far, done=False)


def _go_on(bucket: Bucket, so_far: dict[str, Any]) -> bool:
    """Send the next request; False when nothing is left that is due. A kind that has none left is done with."""
    for kind in KINDS:
        if kind.__name__ in so_far["over"]:
            continue
        if chosen := _next(bucket, kind, so_far):
            _delete(bucket, kind, chosen, so_far)
            return True
        so_far["over"].append(kind.__name__)
    return False


def _next(bucket: Bucket, kind: batches.Kind, so_far: dict[str, Any]) -> batches.Chosen | None:
    """Of the rows that wait and are still due, and of as many after them as it takes, what the next request deletes."""
    rows: list[Any] = []
    if so_far["waiting"]:
        rows += due(bucket, kind).filter(pk__in=so_far["waiting"]).values_list(*_FACTS, named=True)
    chosen = batches.choose(kind, rows, rest=False)
    more = True
    while more and not chosen:
        following = due(bucket, kind).filter(_after(kind, so_far)).values_list(*_FACTS, named=True)[: batches.BATCH]
        rows += following
        more = bool(following)
        if more:
            so_far["after"][kind.__name__] = [rows[-1].created_at.isoformat(), rows[-1].pk]
        chosen = batches.choose(kind, rows, rest=not more)
    so_far["waiting"] = [row.pk for row in rows]
    return chosen


def _after(kind: batches.Kind, so_far: dict[str, Any]) -> Q:
    place = so_far["after"].get(kind.__name__)
    if place is None:
        return Q()
    created_at, pk = datetime.fromisoformat(place[0]), place[1]
    return Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk)


def _delete(bucket: Bucket, kind: batches.Kind, chosen: batches.Chosen, so_far: dict[str, Any]) -> None:
    deleted = batches.delete_renditions(chosen.ids) if chosen.renditions else _delete_rows(bucket, kind, chosen.ids)
    gone = {*deleted.failed, *([] if chosen.renditions else chosen.ids)}
    so_far["waiting"] = [pk for pk in so_far["waiting"] if pk not in gone]
    so_far["removed"] += deleted.rows
    so_far["objects"] += deleted.objects
    so_far["bytes"] += deleted.bytes
    so_far["failed"] += len(deleted.failed)
    so_far["reasons"] = batches.reasons(deleted.failed) or so_far["reasons"]


def _delete_rows(bucket: Bucket, kind: batches.Kind, ids: Sequence[int]) -> batches.Deleted:
    found = kind.objects.filter(pk__in=ids).select_related("bucket").order_by("created_at", "pk")
    rows = cast("list[batches.Row]", list(found))
    deleted = batches.delete(bucket, rows)
    gone = [row.key for row in rows if row.pk not in deleted.failed]
    audit.deleted(AuditEvent.Action.RETENTION_SWEPT, bucket=bucket.name, keys=gone, username="")
    return deleted


def _end(bucket: Bucket, so_far: dict[str, Any], *, stopped: bool) -> Swept:
    ended = timezone.now().isoformat()
    _store(bucket, {**so_far, "waiting": [], "ended_at": ended, **({"failed_at": ended} if so_far["failed"] else {})})
    return _swept(so_far, done=True, stopped=stopped)


def _swept(so_far: dict[str, Any], *, done: bool, stopped: bool = False) -> Swept:
    return Swept(
        removed=so_far["removed"], failed=so_far["failed"], reasons=so_far["reasons"], stopped=stopped, done=done
    )


def _so_far(bucket: Bucket, run: str) -> dict[str, Any]:
    """Where the run has got to, or the start of a new one."""
    held: dict[str, Any] = bucket.sweep
    start = {"run": run, "after": {}, "over": [], "waiting": [], "removed": 0, "objects": 0, "bytes": 0, "failed": 0}
    start["reasons"] = ""
    if held.get("run") == run:
        start |= {name: value for name, value in held.items() if name != "failed_at"}
    return start


def _store(bucket: Bucket, so_far: dict[str, Any]) -> None:
    Bucket.objects.filter(pk=bucket.pk).update(sweep=so_far)
