"""Cataloguing what a bucket holds already: images are read, one GET each, and nothing is written to the bucket.

What is no image, or cannot be read, keeps the reason in its row of the inventory, so it is looked at once only. What
memory or time was too short for is tried again by the next run.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext as _

from media_catalog.aws import s3
from media_catalog.exceptions import (
    AwsDenied,
    AwsError,
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    BackofficeError,
    ImageRefused,
    OutOfMemory,
    OutOfTime,
)
from media_catalog.models import Bucket, InventoryObject, RequestClass

from . import buckets, events, inventory
from .catalogued import is_known, is_unknown
from .planner import joining_whole_tables
from .sentences import sentence
from .turns import TURN_SECONDS

ENDINGS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".avif", ".tif", ".tiff")
ASLEEP = ("GLACIER", "DEEP_ARCHIVE")  # cannot be read before they are restored
BATCH = 50


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Candidates by their names, and all, whatever their names end with."""

    named: int
    of_any_name: int

    def of(self, *, any_name: bool) -> int:
        return self.of_any_name if any_name else self.named


def candidates(bucket: Bucket, *, any_name: bool = False) -> QuerySet[InventoryObject]:
    """Objects of the inventory that may be images and that the catalogue does not know; with `any_name`, whatever
    their names end with.
    """
    rows = InventoryObject.objects.filter(is_candidate(), ~is_known(), bucket=bucket)
    return rows if any_name else rows.filter(has_name())


def is_candidate() -> Q:
    """Of objects that the catalogue does not know: there, of a size that is read, and not looked at before."""
    looked_at = Q(noted_etag=F("etag")) & ~Q(note="")
    sizes = Q(size__gt=0, size__lte=settings.IMAGE_MAX_BYTES)
    return Q(~looked_at, ~Q(storage_class__in=ASLEEP), sizes, missing_since=None)


def has_name() -> Q:
    """One that ends as those of images do."""
    return reduce(or_, (Q(key__iendswith=ending) for ending in ENDINGS))


def count(bucket: Bucket) -> Counted:
    """One query that goes through the inventory once: of a million objects within a second."""
    rows = InventoryObject.objects.filter(is_candidate(), is_unknown(), bucket=bucket)
    with joining_whole_tables():
        return Counted(**rows.aggregate(named=Count("pk", filter=has_name()), of_any_name=Count("pk")))


def cost(number: int) -> dict[str, int]:
    """Of so many: one GET for each. Should objects be gone, each turn asks once more, for the bucket."""
    return {RequestClass.S3_TIER2.value: number}


def prepare(bucket: Bucket) -> None:
    """Make a bucket of no special use one for originals, without a pair: nobody can upload to it, nothing is made of
    its images. Raises BucketRefused.
    """
    if bucket.role == Bucket.Role.GENERAL:
        buckets.assign(bucket, role=Bucket.Role.ORIGINALS, accepts=Bucket.Accepts.IMAGES, partner=None)


def adopt(bucket: Bucket, *, run: str, any_name: bool = False) -> tuple[dict[str, int], bool]:
    """Catalogue candidates for one turn. Returns how many were `catalogued` and `skipped` in all turns of the run, and
    whether it is done.

    What is done is no candidate any more, and a run asks for each once, so one that was cut off goes on where it
    stopped. Faults of S3 are raised.
    """
    so_far = _so_far(bucket, run)
    until = time.monotonic() + TURN_SECONDS
    asked = _Asked(bucket)
    while rows := list(candidates(bucket, any_name=any_name).filter(pk__gt=so_far["after"]).order_by("pk")[:BATCH]):
        _take(asked, rows, so_far, until)
        if time.monotonic() > until:
            Bucket.objects.filter(pk=bucket.pk).update(progress=so_far)
            return so_far["counts"], False
    Bucket.objects.filter(pk=bucket.pk).update(progress={})
    return so_far["counts"], True


class _Asked:
    """Asks for a bucket once at most, however many of its objects are gone."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.is_there = False

    def check(self) -> None:
        """Raise AwsNotFound when the bucket is gone, too. One HEAD the first time."""
        self.is_there = self.is_there or s3.bucket_exists(self.bucket.name)
        if not self.is_there:
            raise AwsNotFound(self.bucket.name)


def _take(asked: _Asked, rows: Iterable[InventoryObject], so_far: dict[str, Any], until: float) -> None:
    counts = so_far["counts"]
    try:
        for row in rows:
            counts["catalogued" if _adopt_one(asked, row) else "skipped"] += 1
            so_far["after"] = row.pk
            if time.monotonic() > until:
                return
    except BackofficeError:
        Bucket.objects.filter(pk=asked.bucket.pk).update(progress=so_far)
        raise


def _adopt_one(asked: _Asked, row: InventoryObject) -> bool:
    """Whether it is an image. Faults that are those of all objects, or may pass, are raised."""
    try:
        found = events.fetch(asked.bucket, row.key)
    except ImageRefused as refused:
        return _note(row, sentence(refused))
    except (OutOfMemory, OutOfTime) as shortage:  # another run may have more of it
        return _note(row, sentence(shortage), final=False)
    except (AwsDenied, AwsNotFound, AwsThrottled, AwsUnavailable):
        raise
    except AwsError as error:
        return _note(row, sentence(error))
    if found is None:
        asked.check()
        inventory.forget(asked.bucket, [row.key])
        return _note(row, _("It was gone when it was to be catalogued."))
    events.record(found)
    return True


def _note(row: InventoryObject, reason: str, *, final: bool = True) -> bool:
    InventoryObject.objects.filter(pk=row.pk).update(note=reason, noted_etag=row.etag if final else "")
    return False


def _so_far(bucket: Bucket, run: str) -> dict[str, Any]:
    held: dict[str, Any] = bucket.progress
    new = {"run": run, "after": 0, "counts": {"catalogued": 0, "skipped": 0}}
    return new | held if held.get("run") == run else new
