"""Uploads through the server: check, take a key, write, catalogue."""

import hashlib
import io
import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO, TypeVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsUnavailable, ImageRefused, ObjectRefused
from media_catalog.imaging.probe import Probe, extension
from media_catalog.models import Bucket, Image, StoredFile, TrashedObject, Upload
from media_catalog.quota import meter

from . import arrivals, decoding, keys, names, object_keys
from .limits import check_rule

logger = logging.getLogger(__name__)
CHUNK_BYTES = 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
T = TypeVar("T")
Record = Callable[[Upload, s3.ObjectInfo], T]


def store(
    *,
    file: BinaryIO,
    name: str,
    caption: str,
    bucket: Bucket,
    user: User | None,
    folder: str = "",
    title: str = "",
) -> Image:
    """Check a file, write it to the bucket under a key of its own and catalogue it. One PUT unless the name is taken.

    The key is `<folder>/<cleaned name>`, or the cleaned name alone. The image has the `title`, or the file's name.

    Raises ImageRefused, OutOfMemory and OutOfTime, and ObjectRefused for a key of our own or a name that the bucket
    does not take, before anything is stored. When AWS or the database fails nothing stays half-stored: what cannot be
    undone at once is settled by `settle_stale`, which finds the key in the upload's row.
    """
    found = decoding.probe(file)
    check_rule(bucket, found)
    called = clean_title(title) or name.replace("\x00", "")[-255:]
    names.check(bucket, called, Image)
    prefix, last = keys.clean_folder(folder), keys.clean_name(name, extension=extension(found.format))
    key = f"{prefix}/{last}" if prefix else last
    object_keys.check_new(key)
    draft = Upload(bucket=bucket, name=called, caption=caption, sha256=sha256(file), user=user)
    return write(
        draft,
        file,
        candidates=keys.candidates(key),
        content_type=found.content_type,
        record=lambda upload, held: _catalogue(upload, held, found).image,
    )


def write(draft: Upload, file: BinaryIO, *, candidates: Iterable[str], content_type: str, record: Record[T]) -> T:
    """Write a file under the first of the keys that is free, by an upload like the draft, and catalogue it by `record`.

    One PUT for each key that S3 knows and the catalogue does not. Raises AwsConflict when none is free.
    """
    for key in candidates:
        upload = _take_key(draft, key)
        if upload and (stored := _write(upload, file, content_type, record)):
            return stored
    raise AwsConflict(draft.name)


def clean_title(text: str) -> str:
    """A name as it is shown and kept: without characters that end lines or that databases refuse."""
    return " ".join(_CONTROL.sub(" ", text).split())[-255:]


def settle_stale() -> list[int]:
    """Settle uploads whose process died or could not undo; returns the ids of the images that became known by it.

    An object whose upload nobody heard of again is catalogued; one whose upload was reported as failed is deleted.
    Objects of others, known by their SHA-256, are not touched. One HEAD each, and a GET or DELETE of what is ours. An
    upload that cannot be settled is tried again after UPLOAD_STALE_SECONDS, then twice that, up to a day.
    """
    until = time.monotonic() + settings.JOB_CHUNK_SECONDS  # the schedule's task has the time limit of a chunk
    new = []
    for upload in Upload.objects.due(timezone.now()).select_related("bucket", "user").order_by("pk"):
        if time.monotonic() > until:
            break
        try:
            now = timezone.now()
            if Upload.objects.due(now).put_off(upload, now) and (image := settle_one(upload=upload)):
                new.append(image.pk)
        except Exception:  # whatever it is, the others have their turn
            logger.exception("upload %s not settled yet", upload.uuid)
    return new


def settle_one(*, upload: Upload) -> Image | None:
    """Settle an open upload that nobody is at work on; the image, when it is one and new. Costs as above."""
    error = upload.error
    if not error:
        try:
            if not upload.is_file:
                return _finish(upload)
            _finish_file(upload)
            return None
        except (ImageRefused, AwsConflict, ObjectRefused) as refused:
            error = repr(refused)
    _remove_own(upload)
    _close(upload, error)
    return None


def _take_key(draft: Upload, key: str) -> Upload | None:
    """Save the upload under this key, or None when it is taken. Unique constraints decide between racing uploads.

    The catalogue is asked after the save: from then on nobody else can complete an upload under the key.
    """
    upload = Upload(
        bucket=draft.bucket,
        key=key,
        name=draft.name,
        caption=draft.caption,
        sha256=draft.sha256,
        user=draft.user,
        is_file=draft.is_file,
    )
    try:
        with transaction.atomic():
            upload.save()
            if _is_catalogued(upload):
                transaction.set_rollback(True)
                return None
    except IntegrityError:
        return None
    return upload


def _write(upload: Upload, file: BinaryIO, content_type: str, record: Record[T]) -> T | None:
    """What was catalogued, or None when S3 holds another object under the key."""
    with meter.tally() as counted:
        try:
            held = _put(upload, file, content_type)
            if held:
                return record(upload, held)
        except Exception as error:
            _undo(upload, error, sent=bool(counted))
            raise
    _close(upload, "key taken at S3")
    return None


def _put(upload: Upload, file: BinaryIO, content_type: str) -> s3.ObjectInfo | None:
    """The object as S3 holds it, or None when the key is another's there.

    After a lost answer the retry of our own PUT meets the object of the first: the same bytes are ours.
    """
    sha256 = bytes.fromhex(upload.sha256)
    try:
        etag = s3.put_object(upload.bucket.name, upload.key, file, content_type=content_type, sha256=sha256)
    except AwsConflict:
        return _own_object(upload)
    return s3.ObjectInfo(etag=etag, size=file.seek(0, io.SEEK_END), content_type=content_type, sha256=sha256)


def _catalogue(upload: Upload, held: s3.ObjectInfo, found: Probe) -> arrivals.Arrival:
    return arrivals.record(
        bucket=upload.bucket,
        key=upload.key,
        etag=held.etag,
        size=held.size,
        sha256=upload.sha256,
        probe=found,
        upload=upload,
    )


def _undo(upload: Upload, error: Exception, *, sent: bool) -> None:
    """Remove what was written, if anything was sent. What is not certain stays open for `settle_stale`."""
    try:
        if sent:
            Upload.objects.filter(pk=upload.pk).update(error=repr(error))
            if isinstance(error, AwsUnavailable):
                return  # a PUT without an answer may still take effect: too early to look
            _remove_own(upload)
        _close(upload, repr(error))
    except Exception:  # the caller is about to raise the error that matters
        logger.exception("upload %s left for the sweep", upload.uuid)


def _finish(upload: Upload) -> Image | None:
    content = s3.get_object(upload.bucket.name, upload.key) if _own_object(upload) else None
    if content is None or sha256(io.BytesIO(content.body)) != upload.sha256:
        _close(upload, "never arrived")
        return None
    found = decoding.probe(io.BytesIO(content.body))
    arrival = _catalogue(upload, content, found)
    return arrival.image if arrival.new else None


def _finish_file(upload: Upload) -> None:
    """S3 has checked its bytes against the SHA-256 when it took them: they are not read again."""
    if held := _own_object(upload):
        arrivals.record_file(upload=upload, etag=held.etag, size=held.size, content_type=held.content_type)
    else:
        _close(upload, "never arrived")


def _remove_own(upload: Upload) -> None:
    if _own_object(upload) and not _is_catalogued(upload):
        s3.delete_object(upload.bucket.name, upload.key)


def _own_object(upload: Upload) -> s3.ObjectInfo | None:
    """What S3 holds under the key if it is ours, which has the SHA-256 that our PUT always leaves. One HEAD."""
    held = s3.head_object(upload.bucket.name, upload.key)
    return held if held and held.sha256 == bytes.fromhex(upload.sha256) else None


def _is_catalogued(upload: Upload) -> bool:
    """Or on its way to or from the trash, under this key."""
    catalogued = any(kind.objects.filter(bucket=upload.bucket, key=upload.key).exists() for kind in (Image, StoredFile))
    return catalogued or TrashedObject.objects.holding(upload.bucket, [upload.key]).exists()


def _close(upload: Upload, error: str) -> None:
    still_open = Upload.objects.filter(pk=upload.pk, status=Upload.Status.CREATED)
    still_open.update(status=Upload.Status.FAILED, error=error)


def sha256(file: BinaryIO) -> str:
    """The digest of a whole file, in hex."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
