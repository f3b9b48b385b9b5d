"""The trash: what staff delete moves aside within its bucket, and can come back until it is purged.

A move is a COPY and a DELETE, the same with and without versioning. The row that names both ends is saved first, and
each step may be repeated: a run that is cut off anywhere is ended by the next, or by services/trash_sweep.py.
"""

import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import (
    AwsConflict,
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    BackofficeError,
    ImageHeld,
    MeterUnavailable,
    ObjectRefused,
)
from media_catalog.models import Bucket, Image, Job, Leftover, Rendition, RequestClass, StoredFile, TrashedObject
from media_catalog.models.trash import first_try
from media_catalog.quota import attribution
from media_catalog.s3_events import TRASH

from . import inventory, names, object_keys, removal, renditions
from .sentences import sentence

logger = logging.getLogger(__name__)
# After these nobody knows whether S3 has done it: the row stays as it is, and a repeat finds out.
PASSING = (AwsThrottled, AwsUnavailable, MeterUnavailable)
OWN_FAULTS = (ObjectRefused, AwsConflict, AwsNotFound)  # of one object; the others of a run may do


class TakesLong(Exception):
    """The object is larger than the caller wanted to wait for. Nothing was done with it."""


@dataclass(frozen=True, kw_only=True)
class By:
    """Who moves it: an account, its name, and the job that does it for them."""

    user: User | None
    name: str
    job: int | None


def cost_of_moving(count: int) -> dict[str, int]:
    """Requests for so many objects that the catalogue does not know: a HEAD, a COPY and a DELETE for each."""
    return {
        RequestClass.S3_TIER1.value: count,
        RequestClass.S3_TIER2.value: count,
        RequestClass.FREE.value: count,
    }


def move_image(*, image: Image, run: str = "") -> TrashedObject | None:
    """Move an image to the trash, hidden from everybody at once. One COPY, one DELETE, and one for each rendition.

    Renditions can be made anew, so they are deleted; what is known of its faces stays with the hidden row. None when S3
    has the object no more: then all of it is removed for good. Raises ImageHeld and ObjectRefused before any request.
    After a fault that may pass the image stays hidden and its row says so; after any other it is back.
    """
    return _move_row(image, run)


def move_file(*, file: StoredFile, run: str = "") -> TrashedObject | None:
    """Move a file to the trash, hidden at once, with all that the catalogue knows of it. One COPY, one DELETE.

    None when S3 has the object no more: then its row is removed for good. Raises ObjectRefused before any request; of
    faults as `move_image`.
    """
    return _move_row(file, run)


def move_object(
    *, bucket: Bucket, key: str, run: str = "", at_most: int = s3_objects.MAX_COPY_BYTES
) -> TrashedObject | None:
    """Move an object that the catalogue does not know. One HEAD, one COPY, one DELETE; None when S3 has none.

    The rendition of an image is deleted instead, at the cost of a DELETE: it counts as not made. Raises ObjectRefused
    before any request, for images and files of the catalogue among others, and TakesLong for more bytes than `at_most`.
    """
    _check_object(bucket, key)
    rendition = Rendition.objects.select_related("bucket").filter(bucket=bucket, key=key).first()
    if rendition:
        renditions.delete_one(rendition=rendition)
        return None
    begun = TrashedObject.objects.filter(
        bucket=bucket, key=key, image=None, file=None, state=TrashedObject.State.MOVING
    ).first()
    if begun:
        TrashedObject.objects.filter(pk=begun.pk).update(run=run or begun.run)
        return begun if end_move(begun) else None
    held = s3.head_object(bucket.name, key)
    if held is None:
        if not s3.bucket_exists(bucket.name):
            raise AwsNotFound(bucket.name)
        return None
    _check_size(held.size)
    if held.size > at_most:
        raise TakesLong
    name = object_keys.download_name(key)[-255:]
    row = _row(bucket, key, run, name=name, etag=held.etag, size=held.size, content_type=held.content_type[:255])
    row.save()
    return row if end_move(row, fresh=True) else None


def end_move(trashed: TrashedObject, *, fresh: bool = False) -> bool:
    """End a move wherever it was left. False when there is no object to move, and the row is gone.

    What fails for good is undone if the object is certainly where it was: of a `fresh` move, of which nothing was sent
    before, and when S3 has refused the DELETE.
    """
    TrashedObject.objects.filter(pk=trashed.pk).update(next_try_at=first_try())
    undoable = fresh
    try:
        etag, still_there = _copy(trashed, fresh=fresh)
        if still_there:
            undoable = True
            with suppress(AwsNotFound, AwsConflict):  # it is gone, or another object lies there by now
                s3.delete_exactly(trashed.bucket.name, trashed.key, etag=trashed.etag)
    except BackofficeError as error:
        if isinstance(error, PASSING) or not (undoable or isinstance(error, AwsConflict)):
            TrashedObject.objects.filter(pk=trashed.pk).update(problem=sentence(error))
            raise
        _undo(trashed)
        if isinstance(error, AwsConflict):
            raise ObjectRefused("changed") from error
        raise
    return _settle(trashed, etag)


def acting() -> By:
    """Who spends at this moment."""
    current = attribution.current()
    user = User.objects.filter(username=current.username).first() if current.username else None
    job = current.job if current.job and Job.objects.filter(pk=current.job).exists() else None
    return By(user=user, name=current.username, job=job)


def purge_time(now: datetime) -> datetime | None:
    """When what is moved to the trash now is purged; None: never by itself."""
    return now + timedelta(days=settings.TRASH_DAYS) if settings.TRASH_DAYS else None


def _move_row(known: Image | StoredFile, run: str) -> TrashedObject | None:
    trashed, fresh = _intend(known, run)
    if trashed is None or trashed.state != TrashedObject.State.MOVING:
        return trashed
    return trashed if end_move(trashed, fresh=fresh) else None


def _intend(known: Image | StoredFile, run: str) -> tuple[TrashedObject | None, bool]:
    """The row of the move, and whether it is new; None when the catalogue has it no more."""
    kind = type(known)
    with transaction.atomic():
        locked = kind.everything.select_for_update().filter(pk=known.pk).first()
        if locked is None:
            return None, False
        what = {"image" if isinstance(locked, Image) else "file": locked}
        row = TrashedObject.objects.select_related("bucket", "image", "file").filter(**what).first()
        if row and row.state != TrashedObject.State.RESTORED:
            return row, False
        if Bucket.objects.filter(pk=locked.bucket_id, legal_hold=True).exists():
            raise ImageHeld(locked.key) if isinstance(locked, Image) else ObjectRefused("held")
        _check_size(locked.size)
        if row:
            row.delete()
        facts = {name: getattr(locked, name) for name in ("name", "etag", "size", "content_type")}
        row = _row(locked.bucket, locked.key, run, **what, **facts)
        row.save()
        kind.everything.filter(pk=locked.pk).update(trashed_at=row.trashed_at)
    return row, True


def _row(bucket: Bucket, key: str, run: str, **facts: Any) -> TrashedObject:
    now, by = timezone.now(), acting()
    return TrashedObject(
        bucket=bucket,
        key=key,
        trash_key=f"{TRASH}{now:%Y-%m-%d}/{secrets.token_hex(16)}",
        trashed_at=now,
        trashed_by=by.user,
        trashed_by_name=by.name,
        job_id=by.job,
        purge_at=purge_time(now),
        run=run,
        **facts,
    )


def _check_object(bucket: Bucket, key: str) -> None:
    if not key or "\x00" in key:
        raise ObjectRefused("key_characters" if key else "key_empty")
    if object_keys.is_reserved(key):
        raise ObjectRefused("key_reserved")
    if Image.objects.filter(bucket=bucket, key=key).exists():
        raise ObjectRefused("catalogued")
    if StoredFile.objects.filter(bucket=bucket, key=key).exists():
        raise ObjectRefused("catalogued_file")
    if Bucket.objects.filter(pk=bucket.pk, legal_hold=True).exists():
        raise ObjectRefused("held")


def _check_size(size: int) -> None:
    if size > s3_objects.MAX_COPY_BYTES:
        raise ObjectRefused("too_large_for_trash", size=size, limit=s3_objects.MAX_COPY_BYTES)


def _copy(trashed: TrashedObject, *, fresh: bool) -> tuple[str, bool]:
    """The ETag of the object in the trash, empty when there is none; and whether it is still where it was, too."""
    name = trashed.bucket.name
    there = None if fresh else s3_objects.get_details(name, trashed.trash_key)
    if there:  # an earlier run has come so far, or to its end
        source = s3_objects.get_details(name, trashed.key)
        # The same bytes may have been written anew since: that is another object.
        return there.etag, bool(source and source.etag == trashed.etag and source.modified <= there.modified)
    try:
        etag = s3_objects.copy_object(
            name, trashed.key, to_bucket=name, to_key=trashed.trash_key, only=trashed.etag, replace=True
        )
    except AwsNotFound:
        if s3.bucket_exists(name):
            return "", False
        raise  # with the bucket gone too, nothing is known of the object
    return etag, True


def _settle(trashed: TrashedObject, etag: str) -> bool:
    image, file = trashed.image, trashed.file
    inventory.forget(trashed.bucket_id, [trashed.key])
    if not etag:
        trashed.delete()
        if image:
            removal.remove_row(image)
        if file:
            StoredFile.everything.filter(pk=file.pk).delete()
        return False
    if image:
        removal.remove_renditions(image)
    with transaction.atomic():
        here = {"state": TrashedObject.State.TRASHED, "etag": etag, "problem": ""}
        ours = TrashedObject.objects.filter(pk=trashed.pk, state=TrashedObject.State.MOVING).update(**here)
        if ours and image:
            removal.leave_to_the_sweep(image)
    return True


def _undo(trashed: TrashedObject) -> None:
    """As it was before. What was copied is deleted, at once or by the sweep."""
    try:
        with transaction.atomic():
            if trashed.row:
                names.bring_back(trashed.row)
            leftover = Leftover.objects.create(bucket=trashed.bucket, key=trashed.trash_key)
            TrashedObject.objects.filter(pk=trashed.pk).delete()
    except IntegrityError:
        if trashed.row and type(trashed.row).objects.filter(bucket=trashed.bucket, key=trashed.key).exists():
            _forget(trashed, trashed.row)
        return  # a name was taken at that moment: the next try gets another
    removal.discard_or_log(leftover=leftover)


def _forget(trashed: TrashedObject, row: Image | StoredFile) -> None:
    """Somebody has catalogued another object under the key: the row's own is no more, and so it goes for good.

    Objects are left to the sweep, which keeps those that the other row uses.
    """
    logger.warning("%s %s goes for good: another has its key, and its object is no more", row._meta.model_name, row.pk)
    with transaction.atomic():
        made = Rendition.objects.filter(image=trashed.image_id).values_list("bucket", "key")
        left = [*made, (trashed.bucket_id, trashed.trash_key)]
        Leftover.objects.bulk_create(Leftover(bucket_id=bucket, key=key) for bucket, key in left)
        TrashedObject.objects.filter(pk=trashed.pk).delete()
        type(row).everything.filter(pk=row.pk).delete()
