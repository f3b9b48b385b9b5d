"""Copying an object to another key, or moving it there; each step may be repeated after whatever cut it off.

What is meant is the object with one ETag. A copy of it at the new key is told from another's object by the same ETag,
once it has been noted that the copy was begun.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound, ObjectRefused
from media_catalog.models import Bucket, RequestClass, TrashedObject, Upload

from . import inventory, object_keys
from .catalogued import is_kept
from .objects import Known, known


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The object with the ETag, from one key to another. `moves`: then it is deleted where it was."""

    bucket: Bucket
    key: str
    etag: str
    to_bucket: Bucket
    to_key: str
    moves: bool


def cost(*, moves: bool) -> dict[str, int]:
    """Requests of `repeat`: a HEAD and a COPY, and of a move the DELETE."""
    copy = {RequestClass.S3_TIER1.value: 1, RequestClass.S3_TIER2.value: 1}
    return copy | ({RequestClass.FREE.value: 1} if moves else {})


def cost_at_once(*, moves: bool) -> dict[str, int]:
    """Requests of `prepare` and `run`."""
    return cost(moves=moves) | {RequestClass.S3_TIER2.value: 2}


def prepare(bucket: Bucket, key: str, *, to_bucket: Bucket, to_key: str, moves: bool) -> tuple[Transfer, int]:
    """What is to be done, and the bytes that S3 must copy for it. Two HEAD.

    Raises ObjectRefused before any request for what must not be moved or written there, also as the catalogue would not
    know it, and above what S3 copies; AwsNotFound when there is no such object; AwsConflict when the new key is taken.
    """
    _check(bucket, key, to_bucket=to_bucket, to_key=to_key, moves=moves)
    source = s3.head_object(bucket.name, key)
    if source is None:
        raise AwsNotFound(key)
    check_size(source.size)
    if s3.head_object(to_bucket.name, to_key):
        raise AwsConflict(to_key)
    transfer = Transfer(bucket=bucket, key=key, etag=source.etag, to_bucket=to_bucket, to_key=to_key, moves=moves)
    return transfer, source.size


def run(transfer: Transfer) -> None:
    """Carry out what has just been prepared: `copy`, and of a move one DELETE.

    What is written to the source meanwhile stays there (ObjectRefused).
    """
    copy(transfer)
    if transfer.moves:
        _delete_source(transfer)


def repeat(transfer: Transfer, *, begun: bool, begin: Callable[[], None]) -> None:
    """The same after any interruption: one HEAD before. `begin` is called before the COPY is sent, and must be
    remembered: with `begun`, what lies at the new key is known as the copy.

    A copy gets an ETag of its own where keys of KMS encrypt it, or the object came in parts: then nobody can tell whose
    it is (ObjectRefused), and both stay.
    """
    _check(transfer.bucket, transfer.key, to_bucket=transfer.to_bucket, to_key=transfer.to_key, moves=transfer.moves)
    if not arrived(transfer.to_bucket, transfer.to_key, etag=transfer.etag, begun=begun):
        begin()
        copy(transfer)
    if transfer.moves:
        _delete_source(transfer)


def arrived(bucket: Bucket, key: str, *, etag: str, begun: bool) -> bool:
    """Whether a copy that was `begun` lies at the key. One HEAD. Raises AwsConflict for another's object."""
    there = s3.head_object(bucket.name, key)
    if there is None:
        return False
    if not begun:
        raise AwsConflict(key)
    if there.etag != etag:
        raise ObjectRefused("copy_uncertain")
    return True


def check_size(size: int) -> None:
    """Raises ObjectRefused for more bytes than one COPY takes."""
    if size > s3_objects.MAX_COPY_BYTES:
        raise ObjectRefused("too_large_to_copy", size=size, limit=s3_objects.MAX_COPY_BYTES)


def copy(transfer: Transfer) -> str:
    """Copy the object; returns the ETag of the copy. One COPY, and a HEAD when S3 finds its conditions unmet.

    Raises ObjectRefused when S3 holds another object by now than is meant, AwsConflict when the new key is taken.
    """
    try:
        return s3_objects.copy_object(
            transfer.bucket.name,
            transfer.key,
            to_bucket=transfer.to_bucket.name,
            to_key=transfer.to_key,
            only=transfer.etag,
        )
    except AwsConflict as error:
        there = s3.head_object(transfer.to_bucket.name, transfer.to_key)
        if there is None:
            raise ObjectRefused("changed") from error
        if there.etag != transfer.etag:
            raise
        return there.etag  # our own, whose answer was lost, so that it was sent again; or another's of the same bytes


def _delete_source(transfer: Transfer) -> None:
    try:
        with suppress(AwsNotFound):  # an earlier run, or somebody else, was faster
            s3.delete_exactly(transfer.bucket.name, transfer.key, etag=transfer.etag)
    except AwsConflict as error:
        raise ObjectRefused("changed") from error
    inventory.forget(transfer.bucket, [transfer.key])


def _check(bucket: Bucket, key: str, *, to_bucket: Bucket, to_key: str, moves: bool) -> None:
    if moves:
        _check_movable(bucket, key)
    object_keys.check_new(to_key)
    if to_bucket.role == Bucket.Role.RENDITIONS:
        raise ObjectRefused("renditions_bucket")
    stays_unknown = moves and bucket == to_bucket and not object_keys.is_passing(key)
    if not stays_unknown and not object_keys.is_passing(to_key) and is_kept(to_bucket):
        raise ObjectRefused("unknown_image" if to_bucket.role == Bucket.Role.ORIGINALS else "unknown_object")
    if _being_uploaded(to_bucket, to_key):
        raise ObjectRefused("being_uploaded")
    if TrashedObject.objects.holding(to_bucket, [to_key]).exists():
        raise AwsConflict(to_key)


def _check_movable(bucket: Bucket, key: str) -> None:
    if "\x00" in key:
        raise ObjectRefused("key_characters")
    if object_keys.is_reserved(key):
        raise ObjectRefused("key_reserved")
    held = known(bucket, [key]).get(key, Known())
    if held.file:
        raise ObjectRefused("catalogued_file")
    if held.rendition or held.image:
        raise ObjectRefused("rendition" if held.rendition else "catalogued")
    if Bucket.objects.filter(pk=bucket.pk, legal_hold=True).exists():
        raise ObjectRefused("held")
    if _being_uploaded(bucket, key):
        raise ObjectRefused("being_uploaded")


def _being_uploaded(bucket: Bucket, key: str) -> bool:
    return Upload.objects.filter(bucket=bucket, key=key, status=Upload.Status.CREATED).exists()
