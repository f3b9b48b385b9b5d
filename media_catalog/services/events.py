"""Originals that S3 announces, whoever wrote them."""

import io
import logging
from dataclasses import dataclass
from hashlib import sha256

from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import Probe
from media_catalog.models import Bucket, Image, TrashedObject, Upload
from media_catalog.s3_events import Created, Removed

from . import arrivals, decoding, handover, inventory
from .limits import image_limits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """An image in a bucket of ours that the catalogue does not know as it is now."""

    bucket: Bucket
    key: str
    etag: str
    size: int
    sha256: str
    probe: Probe


def look(created: Created) -> Found | None:
    """What was written. One GET; no request when the catalogue knows it, or we are about to record or move it.

    None then, and when it is gone again, is no image that we accept, or lies in no bucket for uploads.
    """
    bucket = Bucket.objects.for_uploads().filter(name=created.bucket).first()
    reason = "no bucket for uploads" if bucket is None else _nothing_to_do(bucket, created)
    if bucket is None or reason:
        logger.info("event of %s/%s: %s", created.bucket, created.key, reason)
        return None
    try:
        return fetch(bucket, created.key, leave=bucket.resize_engine == Bucket.ResizeEngine.WORKER)
    except ImageRefused as refused:
        logger.info("event of %s/%s: %s", created.bucket, created.key, refused)
        return None


def fetch(bucket: Bucket, key: str, *, leave: bool = False) -> Found | None:
    """What the object is, or None when there is none. One GET. Raises ImageRefused for what is no accepted image,
    OutOfMemory and OutOfTime.

    `leave` the bytes to the job that is about to make its renditions.
    """
    limits = image_limits()
    try:
        content = s3.get_object(bucket.name, key, max_bytes=limits.max_bytes)
    except s3.ObjectTooLarge as error:
        raise ImageRefused("too_many_bytes", size=error.size, limit=limits.max_bytes) from error
    if content is None:
        return None
    file = io.BytesIO(content.body)
    found = Found(
        bucket=bucket,
        key=key,
        etag=content.etag,
        size=content.size,
        sha256=sha256(content.body).hexdigest(),
        probe=decoding.probe(file),
    )
    if leave:
        handover.offer(bucket=bucket.pk, key=key, etag=content.etag, file=file)
    return found


def record(found: Found) -> arrivals.Arrival:
    """Catalogue it. May run in the caller's transaction."""
    return arrivals.record(
        bucket=found.bucket,
        key=found.key,
        etag=found.etag,
        size=found.size,
        sha256=found.sha256,
        probe=found.probe,
    )


def mark_missing(removed: Removed) -> bool:
    """Note that the object of an image is gone, unless S3 has one under its key; whether that was news.

    One HEAD, which is right however late the event comes, and one of the bucket, as in one that is gone nothing is
    known of an object; none for what is in no catalogue or known to be missing.
    """
    known = Image.objects.filter(bucket__name=removed.bucket, key=removed.key, missing_since=None)
    image = known.select_related("bucket").first()
    if image is None or s3.head_object(image.bucket.name, image.key):
        return False
    if not s3.bucket_exists(image.bucket.name):
        logger.warning("deletion of %s/%s not noted: the bucket is gone", removed.bucket, removed.key)
        return False
    logger.warning("%s/%s was deleted at S3", removed.bucket, removed.key)
    inventory.forget(image.bucket_id, [image.key])
    # Not the image of another object that has come under the key meanwhile.
    return bool(Image.objects.filter(pk=image.pk, etag=image.etag).update(missing_since=timezone.now()))


def has_changed(image: Image) -> bool:
    """Whether S3 holds another object by now than the catalogue. One HEAD."""
    held = s3.head_object(image.bucket.name, image.key)
    return held is not None and held.etag != image.etag


def _nothing_to_do(bucket: Bucket, created: Created) -> str:
    """Why the event needs no look at S3, if so."""
    known = Image.objects.filter(bucket=bucket, key=created.key, etag=created.etag, missing_since=None)
    if known.exists():
        return "known"
    if TrashedObject.objects.holding(bucket, [created.key]).exists():
        return "on its way to or from the trash"
    open_upload = Upload.objects.filter(bucket=bucket, key=created.key, status=Upload.Status.CREATED)
    return "its upload records it" if open_upload.exists() else ""
