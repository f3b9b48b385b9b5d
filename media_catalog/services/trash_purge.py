"""Deleting for good what lies in the trash. Objects go before their rows, a thousand with one request.

In a bucket that keeps versions S3 keeps what is deleted as an older version, until its lifecycle ends that.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.exceptions import AwsNotFound, BackofficeError
from media_catalog.models import AuditEvent, Bucket, Image, Leftover, Rendition, StoredFile, TrashedObject
from media_catalog.models.trash import TrashedQuerySet, first_try
from media_catalog.quota import attribution, audit

from .sentences import sentence
from .trash import PASSING
from .turns import TURN_SECONDS, deletions

logger = logging.getLogger(__name__)
_PURGEABLE = (TrashedObject.State.TRASHED, TrashedObject.State.PURGING)


def cost(rows: TrashedQuerySet) -> dict[str, int]:
    """Requests to purge them: one for each thousand of a bucket; a single one is free of charge. One query."""
    counts = purgeable(rows).order_by().values("bucket").annotate(count=Count("pk")).values_list("count", flat=True)
    return deletions(counts)


def purgeable(rows: TrashedQuerySet) -> TrashedQuerySet:
    """Those of the rows that may be purged: not while they are on their way, nor under legal hold."""
    return rows.filter(state__in=_PURGEABLE, bucket__legal_hold=False)


def purge_run(run: str) -> tuple[int, bool]:
    """Purge what is marked with the run, for one turn; returns how many, and whether that was all."""
    return purge(TrashedObject.objects.filter(run=run))


def purge_overdue() -> int:
    """Purge what is over its date, a turn for each bucket; returns how many. A fault of one does not hold up others."""
    overdue = TrashedObject.objects.filter(purge_at__lte=timezone.now())
    buckets = purgeable(overdue).order_by("bucket").values_list("bucket", flat=True).distinct()
    count = 0
    for bucket in list(buckets):
        try:
            count += purge(overdue.filter(bucket=bucket))[0]
        except BackofficeError:
            logger.exception("the trash of bucket %s is not purged yet", bucket)
    return count


def purge(rows: TrashedQuerySet) -> tuple[int, bool]:
    """Purge these rows for one turn; returns how many, and whether that was all. One request for each thousand.

    Raises what S3 answers; after a fault that may pass a repeat goes on, after any other they lie in the trash as
    before, with the problem.
    """
    until, count = time.monotonic() + TURN_SECONDS, 0
    while batch := _take(rows):
        try:
            delete_objects(batch)
        except PASSING:
            raise
        except BackofficeError as error:
            _purging(batch).update(state=TrashedObject.State.TRASHED, problem=sentence(error))
            raise
        delete_rows(batch)
        keys = [row.key for row in batch]
        audit.deleted(
            AuditEvent.Action.TRASH_PURGED,
            bucket=batch[0].bucket.name,
            keys=keys,
            username=attribution.current().username,
        )
        count += len(batch)
        if time.monotonic() > until:
            break
    return count, not purgeable(rows).exists()


def delete_objects(batch: Sequence[TrashedObject]) -> None:
    """Delete the objects of rows of one bucket; one that is not there is fine. One request."""
    with suppress(AwsNotFound):  # the bucket is gone, and with it the objects
        if batch:
            s3_objects.delete_objects(batch[0].bucket.name, [(row.trash_key, "") for row in batch])


def delete_rows(batch: Sequence[TrashedObject]) -> None:
    """The rows, and those of their images and files with all that is known of them."""
    images = [row.image_id for row in batch if row.image_id]
    files = [row.file_id for row in batch if row.file_id]
    with transaction.atomic():
        left = Rendition.objects.filter(image__in=images)
        Leftover.objects.bulk_create(Leftover(bucket_id=each.bucket_id, key=each.key) for each in left)
        TrashedObject.objects.filter(pk__in=[row.pk for row in batch]).delete()
        Image.everything.filter(pk__in=images).delete()
        StoredFile.everything.filter(pk__in=files).delete()


def _take(rows: TrashedQuerySet) -> list[TrashedObject]:
    """Up to a thousand of one bucket, which nobody can restore from now on."""
    found = purgeable(rows).order_by("bucket", "pk").values_list("pk", "bucket")[: s3_objects.MAX_DELETE]
    chosen = list(found)
    ids = [pk for pk, bucket in chosen if bucket == chosen[0][1]]
    held = Bucket.objects.filter(legal_hold=True)
    TrashedObject.objects.filter(pk__in=ids, state__in=_PURGEABLE).exclude(bucket__in=held).update(
        state=TrashedObject.State.PURGING, next_try_at=first_try()
    )
    taken = TrashedObject.objects.filter(pk__in=ids, state=TrashedObject.State.PURGING).exclude(bucket__in=held)
    return list(taken.select_related("bucket"))


def _purging(batch: Sequence[TrashedObject]) -> TrashedQuerySet:
    return TrashedObject.objects.filter(pk__in=[row.pk for row in batch], state=TrashedObject.State.PURGING)
