"""Findings: what the catalogue and a bucket do not agree about, kept with how often it was seen. No request.

An inventory takes time, and objects come and go meanwhile. So what is known from it counts as open only when two
inventories, one after the other, have seen it; and whoever acts on it looks at S3 first (services/findings.py).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, F, QuerySet, Value, When
from django.utils import timezone

from media_catalog.models import Bucket, Finding, Scan

from .catalogued import tables
from .discrepancies import Check, Seen, at_the_places, checks, is_present
from .inventory import latest
from .turns import TURN_SECONDS, Turn

BATCH = 500  # rows of each query
WINDOW = 20_000  # numbers of rows read at a time: the database may look through the whole bucket for them


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Rows of a bucket to go through, and what is done with a batch of them (ids)."""

    name: str
    rows: QuerySet[Any]
    do: Callable[[Sequence[int]], None]


def reconcile(bucket: Bucket, *, run: str) -> Turn | None:
    """Look for discrepancies by the last complete inventory, for one turn; None without one.

    The next turn of the run goes on where this one has ended. Idempotent: of each inventory a finding is counted once.
    `count` is how many are open.
    """
    scan = latest(bucket)
    if scan is None:
        return None
    until = time.monotonic() + TURN_SECONDS
    parts = list(_parts(bucket, scan))
    name, after = scan.compared.get(run, ["", 0])
    names = [part.name for part in parts]
    first = names.index(name) if name in names else 0
    place: Sequence[Any] | None = None
    for part in parts[first:]:
        reached = _go_through(part, after if part.name == name else 0, until)
        if reached is not None:
            place = [part.name, reached]
            break
    _keep_place(scan, run, place)
    return Turn(count=sum(open_counts(bucket).values()), done=place is None)


def open_counts(bucket: Bucket) -> dict[str, int]:
    """Open findings by kind. One query."""
    rows = Finding.objects.filter(bucket=bucket, state=Finding.State.OPEN).order_by().values_list("kind")
    return dict(rows.annotate(Count("pk")))


def _parts(bucket: Bucket, scan: Scan) -> Iterator[_Part]:
    """In their order: what was found marks rows as missing only when all has been looked at."""
    wanted = checks(bucket, scan)
    for check in wanted:
        rows = check.rows.filter(bucket=bucket)
        yield _Part(name=check.name, rows=rows, do=partial(_note_all, check, bucket, scan))
    live = Finding.objects.live().filter(bucket=bucket)
    for kind in Finding.Kind:
        of_kind = [check for check in wanted if check.kind == kind]
        yield _Part(name=f"over {kind}", rows=live.filter(kind=kind), do=partial(_close_gone, of_kind))
    lost = live.filter(kind=Finding.Kind.ROW_WITHOUT_OBJECT, state=Finding.State.OPEN, rendition=None)
    yield _Part(name="missing", rows=lost, do=partial(_mark_missing, scan))
    for table in tables():
        back = table._default_manager.filter(missing_since__lt=scan.started_at)
        do = partial(_mark_present, back, scan)
        yield _Part(name=f"back {table._meta.model_name}", rows=back.filter(bucket=bucket), do=do)


def _go_through(part: _Part, after: int, until: float) -> int | None:
    """The number of the last row when time is up; None when there are no more."""
    numbers = part.rows.order_by("pk").values_list("pk", flat=True)
    while window := list(numbers.filter(pk__gt=after)[:WINDOW]):
        for start in range(0, len(window), BATCH):
            batch = window[start : start + BATCH]
            part.do(batch)
            after = batch[-1]
            if time.monotonic() > until:
                return after
    return None


def _keep_place(scan: Scan, run: str, place: Sequence[Any] | None) -> None:
    """Of this run alone: another may go through the same inventory."""
    with transaction.atomic():
        held = Scan.objects.select_for_update().get(pk=scan.pk)
        others = {name: other for name, other in held.compared.items() if name != run}
        held.compared = {**others, run: place} if place else others
        held.save(update_fields=["compared"])


def _note_all(check: Check, bucket: Bucket, scan: Scan, rows: Sequence[int]) -> None:
    suspects = check.suspects(rows)
    # Of rows with the same key, which renditions may have, one is enough.
    seen = {found.key: found for found in check.read(suspects)}
    noted = [row.noted for row in suspects if row.noted and row.key in seen]
    _note(check.kind, bucket, scan, list(seen.values()), noted)


def _note(kind: Finding.Kind, bucket: Bucket, scan: Scan, seen: Sequence[Seen], noted: Sequence[int]) -> None:
    now = timezone.now()
    at_once = kind == Finding.Kind.STALE_UPLOAD
    with transaction.atomic():
        live = Finding.objects.live().filter(pk__in=noted).select_for_update()
        known = {finding.key: finding for finding in live}
        _see_again([known[found.key].pk for found in seen if found.key in known], scan)
        changed = [_with_evidence(known[found.key], found) for found in seen if _differs(known.get(found.key), found)]
        Finding.objects.bulk_update(changed, ["evidence", "image", "rendition", "upload"])
        new = [
            Finding(
                bucket=bucket,
                kind=kind,
                key=found.key,
                scan=scan,
                state=Finding.State.OPEN if at_once else Finding.State.ONCE,
                evidence=dict(found.evidence),
                first_seen_at=now,
                last_seen_at=now,
                **found.about,
            )
            for found in seen
            if found.key not in known
        ]
        Finding.objects.bulk_create(new, ignore_conflicts=True)  # another run may have been faster


def _see_again(findings: Sequence[int], scan: Scan) -> None:
    again = Finding.objects.filter(pk__in=findings).exclude(scan=scan)
    again.update(
        times_seen=F("times_seen") + 1,
        last_seen_at=timezone.now(),
        scan=scan,
        state=Case(
            When(state=Finding.State.ONCE, times_seen__gte=Finding.CERTAIN - 1, then=Value(Finding.State.OPEN.value)),
            default=F("state"),
        ),
    )


def _differs(finding: Finding | None, found: Seen) -> bool:
    return finding is not None and finding.evidence != found.evidence


def _with_evidence(finding: Finding, found: Seen) -> Finding:
    finding.evidence = dict(found.evidence)
    for name, value in found.about.items():
        setattr(finding, name, value)
    return finding


def _close_gone(wanted: Sequence[Check], findings: Sequence[int]) -> None:
    """What is not a discrepancy any more is gone by itself."""
    still: set[str] = set()
    for check in wanted:
        still |= {seen.key for seen in check.read(check.suspects(at_the_places(check.rows, findings)))}
    live = Finding.objects.live()
    gone = [pk for pk, key in live.filter(pk__in=findings).values_list("pk", "key") if key not in still]
    live.filter(pk__in=gone).update(state=Finding.State.GONE)


def _mark_missing(scan: Scan, findings: Sequence[int]) -> None:
    """Open findings mark their images and files as missing."""
    for table in tables():
        rows = table._default_manager.filter(created_at__lt=scan.started_at, missing_since=None)
        rows.filter(pk__in=at_the_places(rows, findings)).update(missing_since=timezone.now())


def _mark_present(missing: QuerySet[Any], scan: Scan, rows: Sequence[int]) -> None:
    """What was seen again is not missing, unless S3 has announced its deletion since the scan began."""
    asked = missing.filter(pk__in=rows).annotate(held=is_present(scan))
    back = [pk for pk, held in asked.values_list("pk", "held") if held]
    missing.filter(pk__in=back).update(missing_since=None)
