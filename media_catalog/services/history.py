"""Findings that are over, and scans that nothing refers to any more: deleted after some time. Queries only."""

import time
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from media_catalog.models import Finding, InventoryObject, Scan

from .turns import TURN_SECONDS

FINDINGS = 2000  # rows at a time
SCANS = 100  # fewer: the database looks through the inventory for each, which has no index by scan


def forget(before: datetime) -> tuple[int, int]:
    """Delete what was over before that moment, for one turn; returns how many findings, and how many scans.

    What lies in quarantine keeps its finding, which knows the way back.
    """
    until = time.monotonic() + TURN_SECONDS
    findings = _delete(Finding.objects.over(before), FINDINGS, until)
    return findings, _delete(_superseded(before), SCANS, until)


def _superseded(before: datetime) -> QuerySet[Scan]:
    """Scans that nothing refers to, with a later complete one: what they were the last to see is missing."""
    same = {"bucket": OuterRef("bucket")}
    newer = Scan.objects.filter(**same, state=Scan.State.COMPLETE, pk__gt=OuterRef("pk"))
    rows = InventoryObject.objects.filter(**same, missing_since__isnull=False, scan=OuterRef("pk"))
    findings = Finding.objects.filter(**same, scan=OuterRef("pk"))
    return Scan.objects.filter(Exists(newer), ~Exists(rows), ~Exists(findings), started_at__lt=before)


def _delete(rows: QuerySet[Any], size: int, until: float) -> int:
    """Two queries for each batch. Raw, so that nothing goes along: what a row refers to the database keeps."""
    count = 0
    while time.monotonic() < until and (batch := list(rows.order_by("pk").values_list("pk", flat=True)[:size])):
        chosen = rows.model._default_manager.filter(pk__in=batch)
        count += chosen._raw_delete(chosen.db)
    return count
