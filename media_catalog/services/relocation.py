"""Moving a catalogued image to another key or bucket. Its row stays, with faces and history, and its renditions follow.

Keys of renditions name their source, and the thumbnail has its very key: left behind, they would be met by the next
image of the old name. A rendition that cannot be copied is dropped instead, and counts as not made.

Each step may be repeated: a run that is cut off anywhere is ended by the next.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, BackofficeError, ImageHeld, ObjectRefused, QuotaRefused
from media_catalog.models import Analysis, Bucket, Image, Leftover, Rendition, TrashedObject, Upload

from . import inventory, keys, names, object_keys, removal, transfers
from .trash import PASSING

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Renditions that came along, and those that must be made anew."""

    renditions: int
    dropped: int


def prepare(image: Image, to_bucket: Bucket, to_key: str) -> None:
    """Raises what `relocate` would before it changes anything. One HEAD."""
    _check(image, to_bucket, to_key)
    if _is_there(image, to_bucket, to_key) or s3.head_object(to_bucket.name, to_key):
        raise AwsConflict(to_key)


def _check(image: Image, to_bucket: Bucket, to_key: str) -> None:
    object_keys.check_new(to_key)
    transfers.check_size(image.size)
    if Bucket.objects.filter(pk=image.bucket_id, legal_hold=True).exists():
        raise ImageHeld(image.key)
    if not Bucket.objects.for_uploads().filter(pk=to_bucket.pk).exists():
        raise ObjectRefused("not_for_images")
    if Upload.objects.filter(bucket=to_bucket, key=to_key, status=Upload.Status.CREATED).exists():
        raise ObjectRefused("being_uploaded")
    moving = TrashedObject.objects.holding(to_bucket, [to_key])
    if Image.objects.filter(bucket=to_bucket, key=to_key).exists() or moving.exists():
        raise AwsConflict(to_key)


def _is_there(image: Image, to_bucket: Bucket, to_key: str) -> bool:
    return (image.bucket_id, image.key) == (to_bucket.pk, to_key)


def relocate(
    *, image: Image, to_bucket: Bucket, to_key: str, begun: bool = False, begin: Callable[[], None] = lambda: None
) -> Moved:
    """Move the image: one HEAD; a COPY and a DELETE for the original and each rendition.

    Raises ObjectRefused and ImageHeld before any request; AwsConflict when the key is taken, with nothing changed;
    ObjectRefused also when S3 holds another object by now than the catalogue knows. `begun` and `begin` are those of
    `transfers.repeat`. Faults that may pass are raised also between the steps. What cannot be deleted is swept later.
    """
    if not _is_there(image, to_bucket, to_key):
        _check(image, to_bucket, to_key)
        source, old_key = image.bucket, image.key
        leftover = _move_row(image, to_bucket, to_key, _bring(image, to_bucket, to_key, begun=begun, begin=begin))
        removal.discard_or_log(leftover=leftover)
        inventory.forget(source, [old_key])
    moved = [_move_rendition(rendition, image) for rendition in image.renditions.select_related("bucket", "preset")]
    return Moved(renditions=sum(moved), dropped=len(moved) - sum(moved))


def _bring(image: Image, to_bucket: Bucket, to_key: str, *, begun: bool, begin: Callable[[], None]) -> str:
    """Copy the original, unless an earlier run has done it; returns the ETag of the copy."""
    if transfers.arrived(to_bucket, to_key, etag=image.etag, begun=begun):
        return image.etag
    begin()
    return transfers.copy(
        transfers.Transfer(
            bucket=image.bucket, key=image.key, etag=image.etag, to_bucket=to_bucket, to_key=to_key, moves=True
        )
    )


def _move_row(image: Image, to_bucket: Bucket, to_key: str, etag: str) -> Leftover:
    """Give the row its new place; returns the old object. Raises when somebody has moved or removed it meanwhile, or
    another image has the place: then the copy is deleted.
    """
    try:
        with transaction.atomic():
            locked = (
                Image.objects.select_for_update().filter(pk=image.pk, key=image.key, bucket=image.bucket_id).first()
            )
            if locked is None:
                raise ObjectRefused("moved")
            leftover = Leftover.objects.create(bucket=locked.bucket, key=locked.key)
            for derived in (Rendition, Analysis):  # made of the same bytes, whatever S3 calls them now
                derived.objects.filter(image=image, source_etag=locked.etag).update(source_etag=etag)
            if to_bucket != locked.bucket:
                locked.name, locked.unique_name = names.free(to_bucket, locked.name, Image), to_bucket.unique_names
            locked.bucket, locked.key, locked.etag = to_bucket, to_key, etag
            locked.save(update_fields=["bucket", "key", "etag", "name", "unique_name"])
    except (IntegrityError, ObjectRefused) as error:
        removal.discard_or_log(leftover=Leftover.objects.create(bucket=to_bucket, key=to_key))
        if isinstance(error, ObjectRefused):
            raise
        raise AwsConflict(to_key) from error
    image.refresh_from_db()
    return leftover


def _move_rendition(rendition: Rendition, image: Image) -> bool:
    """Whether it came along, now or in an earlier run.

    Its old object, or the copy that nobody needs, is deleted or left for the sweep.
    """
    place = image.bucket.renditions_bucket
    assert place is not None  # noqa: S101  (for_uploads)
    key = keys.rendition_key(
        preset=rendition.preset.slug,
        version=rendition.preset_version,
        key=image.key,
        etag=rendition.source_etag,
        extension=rendition.key.rpartition(".")[2],
    )
    if (rendition.bucket_id, rendition.key) == (place.pk, key):
        return True
    etag = ""
    try:
        # What lies there was made of these bytes by this preset, or is the thumbnail of another: an earlier run's, or
        # of an image that has gone.
        etag = s3_objects.copy_object(
            rendition.bucket.name, rendition.key, to_bucket=place.name, to_key=key, replace=True
        )
    except (*PASSING, QuotaRefused):
        raise
    except BackofficeError:
        logger.warning("rendition %s not moved", rendition.pk, exc_info=True)
    with transaction.atomic():
        row = Rendition.objects.filter(pk=rendition.pk, key=rendition.key)
        moved = bool(etag and row.update(bucket=place, key=key, etag=etag))
        if etag and not moved:
            superfluous = Leftover.objects.create(bucket=place, key=key)
        else:
            superfluous = Leftover.objects.create(bucket=rendition.bucket, key=rendition.key)
            if not moved:
                row.delete()
    removal.discard_or_log(leftover=superfluous)
    return moved
