"""Emptying and deleting a bucket. What can be long works in turns: each goes on where the last one ended."""

import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import transaction

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

from . import previews, trash_purge
from .turns import TURN_SECONDS, Turn, deletions, pages

IMAGES = 100  # catalogued images that go at a time, with their renditions


def refusal(bucket: Bucket) -> BucketRefused | None:
    """Why the bucket may not be deleted, full or empty, as things are. No request."""
    of_the_site = (settings.BUCKET_ORIGINALS, settings.BUCKET_RENDITIONS, settings.BUCKET_STATIC, settings.BUCKET_FILES)
    if bucket.name in of_the_site:
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
    _delete(bucket)


def empty_cost(bucket: Bucket) -> dict[str, int]:
    """Requests, at most, to empty and delete it, by the last count and the catalogue."""
    images = Image.objects.filter(bucket=bucket).count()
    trashed = TrashedObject.objects.filter(bucket=bucket).count()
    places = Rendition.objects.filter(image__bucket=bucket).order_by().values("bucket").distinct().count()
    # Each thousand is listed and deleted, and the last list finds nothing. Of images also the renditions go.
    entries = pages((bucket.entry_count or 0) + images, listing.MAX_KEYS)
    requests = deletions([trashed])
    requests[RequestClass.S3_TIER1.value] += 2 * entries + 1 + (1 + places) * -(-images // IMAGES)
    requests[RequestClass.FREE.value] += 1  # of the bucket
    return requests


def empty_and_delete(bucket: Bucket, *, run: str) -> Turn:
    """Delete images with their renditions, the trash, every version, then files' rows and the bucket, for one turn.

    Objects go before their rows, so a run that is cut off leaves no object without a row of ours. Raises
    BucketRefused as `refusal` says, and BucketNotEmpty when somebody writes to the bucket meanwhile.
    """
    if refused := refusal(bucket):
        raise refused
    so_far = _so_far(bucket, run)
    until = time.monotonic() + TURN_SECONDS
    while time.monotonic() < until:
        deleted = _delete_images(bucket) or _delete_trash(bucket) or _delete_versions(bucket)
        if not deleted:
            _delete(bucket)
            return Turn(count=so_far["entries"], done=True)
        so_far["entries"] += deleted
    _store_progress(bucket, so_far)
    return Turn(count=so_far["entries"], done=False)


def _delete_images(bucket: Bucket) -> int:
    """Remove some catalogued images with their renditions; returns how many objects."""
    images = list(Image.objects.filter(bucket=bucket).order_by("pk")[:IMAGES])
    renditions = list(Rendition.objects.filter(image__in=images).select_related("bucket").order_by("bucket"))
    for place, held in groupby(renditions, key=lambda rendition: rendition.bucket.name):
        _delete_keys(place, [rendition.key for rendition in held])
    _delete_keys(bucket.name, [image.key for image in images])
    for rendition in renditions:
        previews.forget(rendition)
    with transaction.atomic():
        rows = Rendition.objects.filter(image__in=images)
        # What a job made meanwhile is swept later.
        late = rows.exclude(pk__in=[rendition.pk for rendition in renditions])
        Leftover.objects.bulk_create(Leftover(bucket_id=row.bucket_id, key=row.key) for row in late)
        Image.objects.filter(pk__in=[image.pk for image in images]).delete()
    return len(images) + len(renditions)


def _delete_trash(bucket: Bucket) -> int:
    rows = list(
        TrashedObject.objects.filter(bucket=bucket).select_related("bucket").order_by("pk")[: objects.MAX_DELETE]
    )
    trash_purge.delete_objects(rows)
    trash_purge.delete_rows(rows)
    return len(rows)


def _delete_keys(bucket: str, keys: Sequence[str]) -> None:
    with suppress(AwsNotFound):  # the bucket is gone, and with it the objects
        for start in range(0, len(keys), objects.MAX_DELETE):
            objects.delete_objects(bucket, [(key, "") for key in keys[start : start + objects.MAX_DELETE]])


def _delete_versions(bucket: Bucket) -> int:
    try:
        page = listing.list_versions(bucket.name)
    except AwsNotFound:
        return 0
    if page.versions:
        objects.delete_objects(bucket.name, [(version.key, version.version) for version in page.versions])
    return len(page.versions)


def _delete(bucket: Bucket) -> None:
    with suppress(AwsNotFound):  # somebody else was faster
        objects.delete_bucket(bucket.name)
    with transaction.atomic():
        Image.everything.filter(bucket=bucket).exclude(trashed_at=None).delete()
        TrashedObject.objects.filter(bucket=bucket).delete()
        StoredFile.everything.filter(bucket=bucket).delete()
        Rendition.objects.filter(bucket=bucket).delete()
        Leftover.objects.filter(bucket=bucket).delete()
        # By the bucket, which has an index: with the bucket's row they would be looked for by each of its scans too.
        for kind in (Finding, InventoryObject, Scan):
            kind.objects.filter(bucket=bucket)._raw_delete(kind.objects.db)
        bucket.delete()


def _so_far(bucket: Bucket, run: str) -> dict[str, Any]:
    """Where the run has got to, or the start of a new one."""
    held: dict[str, Any] = bucket.progress
    return held if held.get("run") == run else {"run": run, "entries": 0}


def _store_progress(bucket: Bucket, so_far: dict[str, Any]) -> None:
    bucket.progress = so_far
    bucket.save(update_fields=["progress"])
