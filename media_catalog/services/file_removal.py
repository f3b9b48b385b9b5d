"""Deleting files of the catalogue: some at once, many by a job."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Count, QuerySet

from media_catalog.aws.objects import MAX_DELETE
from media_catalog.exceptions import ObjectRefused
from media_catalog.models import Bucket, RequestClass, StoredFile

from . import batches

FEW = 10  # so many are deleted at once, more by a job
TURN_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How many files of a job went so far in this turn, and how many S3 did not delete, with its `reasons`."""

    removed: int
    failed: int
    reasons: str
    done: bool


def remove(files: Sequence[StoredFile]) -> batches.Deleted:
    """Delete these files for good, object before row. 1 request for each 1,000 of a bucket; for one alone a DELETE.

    Raises ObjectRefused, before any request, when a bucket of theirs is under legal hold at that moment.
    """
    places = {file.bucket_id for file in files}
    if Bucket.objects.filter(pk__in=places, legal_hold=True).exists():
        raise ObjectRefused("held")
    rows, total = 0, 0
    failed: dict[int, str] = {}
    for _place, group in groupby(sorted(files, key=lambda file: file.bucket_id), key=lambda file: file.bucket_id):
        of_bucket = list(group)
        deleted = batches.delete(of_bucket[0].bucket, of_bucket)
        rows, total, failed = rows + deleted.rows, total + deleted.bytes, failed | deleted.failed
    return batches.Deleted(rows=rows, objects=rows, bytes=total, failed=failed)


def cost(files: QuerySet[StoredFile]) -> dict[str, int]:
    """Requests of deleting these. One query."""
    counts = [row["count"] for row in files.order_by().values("bucket").annotate(count=Count("pk"))]
    requests = sum(-(-count // MAX_DELETE) for count in counts if count > 1)
    return {RequestClass.S3_TIER1.value: requests, RequestClass.FREE.value: counts.count(1)}


def turn(ids: Sequence[int]) -> Removal:
    """Delete a job's files for one turn; those that are gone are passed over. What S3 does not delete stays."""
    until = time.monotonic() + TURN_SECONDS
    removed = 0
    failed: dict[int, str] = {}
    for start in range(0, len(ids), MAX_DELETE):
        if time.monotonic() > until and removed:
            return Removal(removed=removed, failed=len(failed), reasons=batches.reasons(failed), done=False)
        files = StoredFile.objects.filter(pk__in=ids[start : start + MAX_DELETE]).select_related("bucket")
        deleted = remove(list(files))
        removed += deleted.rows
        failed |= deleted.failed
    return Removal(removed=removed, failed=len(failed), reasons=batches.reasons(failed), done=True)
