"""Removing an image for good: its object, its renditions and their rows. And objects that nobody needs any more.

What staff delete goes to the trash instead (services/trash.py).
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import BackofficeError, ImageHeld
from media_catalog.models import Bucket, Image, Leftover, Rendition, StoredFile, TrashedObject, Upload
from media_catalog.s3_events import is_for_renditions

from . import inventory, previews

logger = logging.getLogger(__name__)
SWEEP = 100  # leftovers of one sweep
SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(days=1)


def remove(*, image: Image) -> int:
    """Delete the image's objects and rows; returns how many objects. One DELETE each, free of charge.

    Each object goes before its row: a run that is cut off leaves no object without a row, and the next run goes on.
    Renditions that a job saves meanwhile are removed too. Raises ImageHeld, before any request, when the bucket is
    under legal hold at that moment, whatever the caller has loaded.
    """
    if Bucket.objects.filter(pk=image.bucket_id, legal_hold=True).exists():
        raise ImageHeld(image.key)
    count = remove_renditions(image)
    s3.delete_object(image.bucket.name, image.key)
    inventory.forget(image.bucket_id, [image.key])
    return count + remove_row(image) + 1


def remove_row(image: Image) -> int:
    """Remove what is left of an image without an object; returns how many renditions. A DELETE for each of them."""
    count = remove_renditions(image)
    while not _remove_row(image):
        count += remove_renditions(image)
    return count


def discard(*, leftover: Leftover) -> bool:
    """Delete the leftover's object and row, and answer whether it is settled. One DELETE, or none.

    An object in use again stays. While an image of that name has no thumbnail, and may have one, the leftover stays for
    later: the thumbnail may be written to that very key at any moment. So it does while somebody uploads to the key, or
    an object is on its way to the trash from there or back.
    """
    if Upload.objects.filter(bucket=leftover.bucket, key=leftover.key, status=Upload.Status.CREATED).exists():
        return False
    if TrashedObject.objects.holding(leftover.bucket_id, [leftover.key]).exists():
        return False
    if not _in_use(leftover):
        originals = Image.objects.filter(bucket__renditions_bucket=leftover.bucket, key=leftover.key)
        if not is_for_renditions(leftover.key) and originals.exists():
            return False
        s3.delete_object(leftover.bucket.name, leftover.key)
    leftover.delete()
    return True


def _in_use(leftover: Leftover) -> bool:
    kinds = (Rendition, Image, StoredFile)
    return any(kind.objects.filter(bucket=leftover.bucket, key=leftover.key).exists() for kind in kinds)


def sweep() -> int:
    """Discard the leftovers that are due; returns how many are settled. What fails waits twice as long as it has."""
    now = timezone.now()
    due = Leftover.objects.filter(next_try_at__lte=now).select_related("bucket").order_by("next_try_at")[:SWEEP]
    return sum(_postpone(leftover, now) and discard_or_log(leftover=leftover) for leftover in due)


def discard_or_log(*, leftover: Leftover) -> bool:
    """`discard`, but what fails is a line in the log: the sweep comes back to it."""
    try:
        return discard(leftover=leftover)
    except BackofficeError:
        logger.warning("leftover %s not deleted yet", leftover, exc_info=True)
        return False


def remove_renditions(image: Image) -> int:
    """Delete the renditions, objects first; returns how many. One DELETE each."""
    renditions = list(image.renditions.select_related("bucket"))
    for rendition in renditions:
        s3.delete_object(rendition.bucket.name, rendition.key)
        previews.forget(rendition)
        # Made anew meanwhile, it has an object again: then its row stays for the next round.
        Rendition.objects.filter(pk=rendition.pk, created_at=rendition.created_at).delete()
    for bucket in {rendition.bucket_id for rendition in renditions}:
        inventory.forget(bucket, [rendition.key for rendition in renditions if rendition.bucket_id == bucket])
    return len(renditions)


def _remove_row(image: Image) -> bool:
    """Whether the image's row is gone; not while it has renditions. Saving a rendition locks the row too."""
    with transaction.atomic():
        locked = Image.everything.select_for_update().filter(pk=image.pk).first()
        if locked and locked.renditions.exists():
            return False
        if locked:
            leave_to_the_sweep(locked)
            locked.delete()
    return True


def leave_to_the_sweep(image: Image) -> None:
    """What the Lambda made of an upload by the API beside the renditions of our presets."""
    bucket = image.bucket.renditions_bucket
    uploads = Upload.objects.filter(bucket=image.bucket_id, key=image.key).exclude(processed_key="")
    made = [each["key"] for upload in uploads for each in (upload.outcome or {}).get("renditions", [])]
    if bucket:
        Leftover.objects.bulk_create(Leftover(bucket=bucket, key=key) for key in made)


def _postpone(leftover: Leftover, now: datetime) -> bool:
    """Set the next try before this one, so that a crash waits too; False when another sweep has taken it."""
    wait = min(max(now - leftover.created_at, SHORTEST_WAIT), LONGEST_WAIT)
    taken = Leftover.objects.filter(pk=leftover.pk, next_try_at=leftover.next_try_at).update(next_try_at=now + wait)
    return bool(taken)
