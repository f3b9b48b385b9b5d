"""Uploads through the server: check, take a key, write, catalogue."""

import hashlib
import io
import logging
from datetime import timedelta
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, BackofficeError, ImageRefused
from media_catalog.imaging.probe import Probe, extension, probe
from media_catalog.models import Bucket, Image, Upload

from . import arrivals, keys
from .limits import image_limits

logger = logging.getLogger(__name__)
CHUNK_BYTES = 1024 * 1024


def store(*, file: BinaryIO, name: str, caption: str, bucket: Bucket, user: User | None, folder: str = "") -> Image:
    """Check a file, write it to the bucket under a key of its own and catalogue it. One PUT unless the name is taken.

    The key is `<folder>/<cleaned name>`, or the cleaned name alone.

    Raises ImageRefused before anything is stored. When AWS or the database fails nothing stays half-stored: what
    cannot be undone at once is settled by `settle_stale`, which finds the key in the upload's row.
    """
    found = probe(file, limits=image_limits())
    sha256 = _sha256(file)
    draft = Upload(bucket=bucket, name=name[-255:], caption=caption, sha256=sha256.hex(), user=user)
    key_name = keys.clean_name(name, extension=extension(found.format))
    prefix = keys.clean_folder(folder)
    for key in keys.candidates(f"{prefix}/{key_name}" if prefix else key_name):
        upload = _take_key(draft, key)
        if upload and (image := _write(upload, file, sha256, found)):
            return image
    raise AwsConflict(name)


def settle_stale() -> int:
    """Settle uploads whose process died or could not undo: returns how many were. One GET or DELETE each.

    An object whose upload nobody heard of again is catalogued; one whose upload was reported as failed is deleted.
    """
    before = timezone.now() - timedelta(seconds=settings.UPLOAD_STALE_SECONDS)
    stale = Upload.objects.filter(status=Upload.Status.CREATED, created_at__lt=before).select_related("bucket", "user")
    return sum(_settle(upload) for upload in stale)


def _write(upload: Upload, file: BinaryIO, sha256: bytes, found: Probe) -> Image | None:
    """The catalogued image, or None when S3 holds another object under the key."""
    file.seek(0)
    try:
        etag = s3.put_object(upload.bucket.name, upload.key, file, content_type=found.content_type, sha256=sha256)
        return arrivals.record(upload=upload, etag=etag, size=file.seek(0, io.SEEK_END), probe=found).image
    except AwsConflict:
        return _adopt_own(upload, sha256, found)
    except (BackofficeError, DatabaseError) as error:
        _undo(upload, error)
        raise


def _adopt_own(upload: Upload, sha256: bytes, found: Probe) -> Image | None:
    """After a lost answer the retry of our own PUT meets the object of the first: the same bytes are ours."""
    try:
        held = s3.head_object(upload.bucket.name, upload.key)
    except BackofficeError as error:
        _undo(upload, error)
        raise
    if held and held.sha256 == sha256:
        return arrivals.record(upload=upload, etag=held.etag, size=held.size, probe=found).image
    _close(upload, "key taken at S3")
    return None


def _take_key(draft: Upload, key: str) -> Upload | None:
    """Save the upload under this key, or None when it is taken. Unique constraints decide between racing uploads."""
    if Image.objects.filter(bucket=draft.bucket, key=key).exists():
        return None
    upload = Upload(
        bucket=draft.bucket, key=key, name=draft.name, caption=draft.caption, sha256=draft.sha256, user=draft.user
    )
    try:
        with transaction.atomic():
            upload.save()
    except IntegrityError:
        return None
    return upload


def _undo(upload: Upload, error: Exception) -> None:
    """Remove what may have been written. What fails here stays open for `settle_stale`."""
    try:
        Upload.objects.filter(pk=upload.pk).update(error=str(error))
        s3.delete_object(upload.bucket.name, upload.key)
        _close(upload, str(error))
    except (BackofficeError, DatabaseError):
        logger.warning("upload %s left for the sweep", upload.uuid, exc_info=True)


def _close(upload: Upload, error: str) -> None:
    Upload.objects.filter(pk=upload.pk).update(status=Upload.Status.FAILED, error=error)


def _settle(upload: Upload) -> bool:
    try:
        if upload.error:
            _remove(upload, upload.error)
        else:
            _finish(upload)
    except BackofficeError:
        logger.warning("upload %s not settled yet", upload.uuid, exc_info=True)
        return False
    return True


def _finish(upload: Upload) -> None:
    content = s3.get_object(upload.bucket.name, upload.key)
    if content is None:
        _close(upload, "never arrived")
        return
    try:
        found = probe(io.BytesIO(content.body), limits=image_limits())
    except ImageRefused as error:
        _remove(upload, str(error))
        return
    arrivals.record(upload=upload, etag=content.etag, size=content.size, probe=found)


def _remove(upload: Upload, error: str) -> None:
    s3.delete_object(upload.bucket.name, upload.key)
    _close(upload, error)


def _sha256(file: BinaryIO) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.digest()
