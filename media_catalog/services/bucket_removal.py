"""Emptying and deleting a bucket. What can be long works in turns: each goes on where the last one ended."""

import time
from collections.abc import Collection
from contextlib import suppress
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from media_catalog.aws import listing, objects
from media_catalog.exceptions import AwsNotFound, BucketRefused
from media_catalog.models import (
    Bucket,
    Finding,
    Image,
    InventoryObject,
    Leftover,
    Rendition,
    RequestClass,
    Scan,
    StoredFile,
    TrashedObject,
)

from . import batches, bucket_audit, inventory, trash_purge
from .bucket_health import probe_key
from .names import KINDS
from .turns import TURN_SECONDS, Turn, deletions_of

OF_THE_SITE = (
    "BUCKET_ORIGINALS",
    "BUCKET_RENDITIONS",
    "BUCKET_STATIC",
    "BUCKET_FILES",
    "ASYNC_IMAGE_UPLOAD_BUCKET",
    "ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET",
)


def refusal(bucket: Bucket) -> BucketRefused | None:
    """Why the bucket may not be deleted, full or empty, as things are. No request."""
    if bucket.name in [getattr(settings, name) for name in OF_THE_SITE]:
        return BucketRefused("of_the_site")
    if Bucket.objects.filter(pk=bucket.pk, legal_hold=True).exists():
        return BucketRefused("held")
    originals = Bucket.objects.filter(renditions_bucket=bucket).first()
    return BucketRefused("has_renditions_of", originals=originals.name) if originals else None


def delete_empty(bucket: Bucket) -> None:
    """Delete the bucket and its row. One DELETE, free of charge; S3 itself refuses one that is not empty.

    Raises BucketRefused, before any request, for one that the catalogue has objects in. A bucket that is gone already
    only loses its row. What lies in its trash keeps it from being empty at S3; rows that it does not go along.
    """
    images, files = (kind.objects.filter(bucket=bucket).count() for kind in (Image, StoredFile))
    refused = refusal(bucket) or (BucketRefused("has_images", count=images) if images else None)
    refused = refused or (BucketRefused("has_files", count=files) if files else None)
    renditions = Rendition.objects.filter(bucket=bucket).count()
    if refused or renditions:
        raise refused or BucketRefused("has_renditions", count=renditions)
    _delete_at_s3(bucket)
    _delete_rows(bucket, entries=0)


def empty_cost(bucket: Bucket) -> dict[str, int]:
    """Requests to empty and delete it, by its last inventory and the catalogue: without what has come since."""
    total = inventory.cost_of_deleting(bucket)
    total[RequestClass.FREE.value] += 2  # the probe and the bucket itself
    rows = _renditions_elsewhere(bucket).values_list("bucket_id", "key").iterator()
    for _place, held in groupby(rows, key=itemgetter(0)):
        while batch := list(islice(held, batches.BATCH)):
            total += deletions_of(key for _place, key in batch)
    return total


def empty_and_delete(bucket: Bucket, *, run: str) -> Turn:
    """Delete renditions of its images, every version of what lies in it, the bucket, and last its row, for one turn.

    Before anything goes S3 is asked whether versions may be deleted, AwsDenied otherwise. Objects go before their rows,
    so a run that is cut off leaves no object without a row of ours. Raises BucketRefused as `refusal` says, which is
    asked before each batch and the bucket itself, and BucketNotEmpty when somebody writes to the bucket meanwhile.
    """
    so_far = _so_far(bucket, run)
    until = time.monotonic() + TURN_SECONDS
    over = False
    try:
        while not over and time.monotonic() < until:
            if refused := refusal(bucket):
                raise refused
            over = _go_on(bucket, so_far)
    finally:
        Bucket.objects.filter(pk=bucket.pk).update(progress=so_far)
    return Turn(count=so_far["entries"], done=over)


def _go_on(bucket: Bucket, so_far: dict[str, Any]) -> bool:
    """The next batch, or whatever comes next; whether that was the last."""
    if not so_far["allowed"]:
        with suppress(AwsNotFound):  # the bucket is gone
            objects.probe_delete_version(bucket.name, probe_key())
        so_far["allowed"] = True
    elif so_far["gone"]:
        if not _delete_lost(bucket):
            _delete_rows(bucket, entries=so_far["entries"])
            return True
    elif deleted := _delete_renditions(bucket) or _delete_versions(bucket):
        so_far["entries"] += deleted
    else:
        _delete_at_s3(bucket)
        so_far["gone"] = True
    return False


def _renditions_elsewhere(bucket: Bucket) -> QuerySet[Rendition]:
    """Those of its images that do not lie in the bucket itself."""
    made = Rendition.objects.filter(image__bucket=bucket).exclude(bucket=bucket)
    return made.order_by("bucket_id", "pk")


def _delete_renditions(bucket: Bucket) -> int:
    """Delete a batch of them, in one bucket; returns how many."""
    found = list(_renditions_elsewhere(bucket).select_related("bucket")[: batches.BATCH])
    batch = [rendition for rendition in found if rendition.bucket_id == found[0].bucket_id]
    if not batch:
        return 0
    place, keys = batch[0].bucket, [rendition.key for rendition in batch]
    with suppress(AwsNotFound):  # the bucket is gone, and with it the objects
        objects.delete_objects(place.name, [(key, "") for key in keys])
    inventory.forget(place, keys)
    batches.delete_rendition_rows(batch)
    return len(batch)


def _delete_versions(bucket: Bucket) -> int:
    """Delete the first page of them, and the rows of what they were; returns how many."""
    try:
        page = listing.list_versions(bucket.name)
    except AwsNotFound:
        return 0
    if page.versions:
        failed = objects.try_to_delete(bucket.name, [(version.key, version.version) for version in page.versions])
        gone = [version.key for version in page.versions if version.key not in failed]
        # Of one that goes on on the next page an older version lies there now.
        _delete_rows_of(bucket, set(gone) - {page.after.get("KeyMarker", "")})
        bucket_audit.emptied(bucket, gone)
        objects.check_deleted(failed)
    return len(page.versions)


def _delete_rows_of(bucket: Bucket, keys: Collection[str]) -> None:
    storable = [key for key in keys if "\x00" not in key]
    for kind in KINDS:
        rows = kind.objects.filter(bucket=bucket, key__in=storable)
        batches.delete_rows(list(rows.select_related("bucket")))
    trashed = TrashedObject.objects.filter(bucket=bucket, trash_key__in=storable)
    trash_purge.delete_rows(list(trash_purge.purgeable(trashed)))


def _delete_lost(bucket: Bucket) -> int:
    """Rows of images that the bucket had no object of, a batch; returns how many."""
    images = list(Image.objects.filter(bucket=bucket).select_related("bucket").order_by("pk")[: batches.BATCH])
    batches.delete_rows(images)
    return len(images)


def _delete_at_s3(bucket: Bucket) -> None:
    with suppress(AwsNotFound):  # somebody else was faster
        objects.delete_bucket(bucket.name)


def _delete_rows(bucket: Bucket, *, entries: int) -> None:
    with transaction.atomic():
        Image.everything.filter(bucket=bucket).exclude(trashed_at=None).delete()
        TrashedObject.objects.filter(bucket=bucket).delete()
        StoredFile.everything.filter(bucket=bucket).delete()
        Rendition.objects.filter(bucket=bucket).delete()
        Leftover.objects.filter(bucket=bucket).delete()
        # By the bucket, which has an index: with the bucket's row they would be looked for by each of its scans too.
        for kind in (Finding, InventoryObject, Scan):
            kind.objects.filter(bucket=bucket)._raw_delete(kind.objects.db)
        bucket_audit.deleted(bucket, entries=entries)
        bucket.delete()


def _so_far(bucket: Bucket, run: str) -> dict[str, Any]:
    """Where the run has got to, or the start of a new one."""
    start = {"run": run, "allowed": False, "entries": 0, "gone": False}
    held: dict[str, Any] = bucket.progress
    return {**start, **held} if held.get("run") == run else start
