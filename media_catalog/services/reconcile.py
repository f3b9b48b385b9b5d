"""Findings: what the catalogue and a bucket do not agree about, kept with how often it was seen. No request.

An inventory takes time, and objects come and go meanwhile. So what is known from it counts as open only when two
inventories, one after the other, have seen it; and whoever acts on it looks at S3 first (services/findings.py).
"""

import time
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Case, Count, Exists, F, OuterRef, QuerySet, Value, When
from django.utils import timezone

from media_catalog.models import Bucket, Finding, Scan

from . import inventory
from .catalogued import tables
from .discrepancies import Check, Seen, checks, present
from .turns import TURN_SECONDS, Turn

BATCH = 500


def reconcile(bucket: Bucket) -> Turn | None:
    """Look for discrepancies by the last complete inventory, for one turn; None without one.

    Idempotent: what is written down of this inventory is not looked at again. `count` is how many are open.
    """
    scan = inventory.latest(bucket)
    if scan is None:
        return None
    until = time.monotonic() + TURN_SECONDS
    wanted = checks(bucket, scan)
    if all(_note_all(check, bucket, scan, until) for check in wanted):
        for kind in Finding.Kind:
            _close_gone([check for check in wanted if check.kind == kind], bucket, kind)
        _mark_rows(bucket, scan)
        return Turn(count=sum(open_counts(bucket).values()), done=True)
    return Turn(count=sum(open_counts(bucket).values()), done=False)


def open_counts(bucket: Bucket) -> dict[str, int]:
    """Open findings by kind. One query."""
    rows = Finding.objects.filter(bucket=bucket, state=Finding.State.OPEN).order_by().values_list("kind")
    return dict(rows.annotate(Count("pk")))


def _note_all(check: Check, bucket: Bucket, scan: Scan, until: float) -> bool:
    """Whether it came to its end in time."""
    noted = Finding.objects.live().filter(bucket=bucket, kind=check.kind, scan=scan, key=OuterRef("key"))
    rows = check.rows.filter(~Exists(noted)).order_by("pk")
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        # Of rows with the same key, which renditions may have, one is enough.
        seen = {found.key: found for found in check.read(batch)}
        _note(check.kind, bucket, scan, list(seen.values()))
        if time.monotonic() > until:
            return False
    return True


def _note(kind: Finding.Kind, bucket: Bucket, scan: Scan, seen: Sequence[Seen]) -> None:
    live = Finding.objects.live().filter(bucket=bucket, kind=kind, key__in=[found.key for found in seen])
    now = timezone.now()
    at_once = kind == Finding.Kind.STALE_UPLOAD
    with transaction.atomic():
        known = {finding.key: finding for finding in live.select_for_update()}
        _see_again([known[found.key].pk for found in seen if found.key in known], scan)
        changed = [_with_evidence(known[found.key], found) for found in seen if _differs(known.get(found.key), found)]
        Finding.objects.bulk_update(changed, ["evidence", "image", "rendition", "upload"])
        Finding.objects.bulk_create(
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
        )


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


def _close_gone(wanted: Sequence[Check], bucket: Bucket, kind: Finding.Kind) -> None:
    """What is not a discrepancy any more is gone by itself."""
    live: QuerySet[Finding] = Finding.objects.live().filter(bucket=bucket, kind=kind).order_by("pk")
    last = 0
    while batch := list(live.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        keys = [finding.key for finding in batch]
        still = {seen.key for check in wanted for seen in check.read(list(check.rows.filter(key__in=keys)))}
        gone = [finding.pk for finding in batch if finding.key not in still]
        live.filter(pk__in=gone).update(state=Finding.State.GONE)


def _mark_rows(bucket: Bucket, scan: Scan) -> None:
    """Open findings mark their images and files as missing; what was seen again is not, unless S3 has announced its
    deletion since the scan began.
    """
    found = Finding.objects.filter(
        bucket=bucket, kind=Finding.Kind.ROW_WITHOUT_OBJECT, state=Finding.State.OPEN, rendition=None
    )
    held = Exists(present(bucket, scan).filter(key=OuterRef("key")))
    for table in tables():
        rows = table._default_manager.filter(bucket=bucket)
        lost = rows.filter(key__in=found.values("key"), created_at__lt=scan.started_at, missing_since=None)
        lost.update(missing_since=timezone.now())
        rows.filter(held, missing_since__lt=scan.started_at).update(missing_since=None)
