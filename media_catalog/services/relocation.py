"""Moving a catalogued image to another key or bucket. Its row stays, with faces and history, and its renditions follow.

Keys of renditions name their source, and the thumbnail has its very key: left behind, they would be met by the next
image of the old name. A rendition that cannot be copied is dropped instead, and counts as not made.
"""

import logging
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, BackofficeError, ImageHeld, ObjectRefused
from media_catalog.models import (
    Analysis,
    Bucket,
    Image,
    JobItem,
    Leftover,
    Rendition,
    RequestClass,
    TrashedObject,
    Upload,
)

from . import inventory, keys, names, object_keys, removal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Renditions that came along, and those that must be made anew."""

    renditions: int
    dropped: int


def cost(image: Image) -> dict[str, int]:
    """Requests of a move: one HEAD; a COPY and a DELETE for the original and each rendition."""
    copies = 1 + image.renditions.count()
    return {
        RequestClass.S3_TIER1.value: copies,
        RequestClass.S3_TIER2.value: 1,
        RequestClass.FREE.value: copies,
    }


def relocate(*, image: Image, to_bucket: Bucket, to_key: str) -> Moved:
    """Move the image. Raises ObjectRefused before any request; AwsConflict when the key is taken, with nothing changed.

    The old objects are deleted at the end; what fails there is swept later.
    """
    object_keys.check_new(to_key)
    _check_free(image, to_bucket, to_key)
    source, old_key = image.bucket, image.key
    if s3.head_object(to_bucket.name, to_key):
        raise AwsConflict(to_key)
    etag = s3_objects.copy_object(source.name, image.key, to_bucket=to_bucket.name, to_key=to_key)
    try:
        leftover = _move_row(image, to_bucket, to_key, etag)
    except BackofficeError:
        s3.delete_object(to_bucket.name, to_key)
        raise
    moved = [_move_rendition(rendition, image) for rendition in image.renditions.select_related("bucket", "preset")]
    removal.discard_or_log(leftover=leftover)
    inventory.forget(source, [old_key])
    return Moved(renditions=sum(moved), dropped=len(moved) - sum(moved))


def _check_free(image: Image, to_bucket: Bucket, to_key: str) -> None:
    if Bucket.objects.filter(pk=image.bucket_id, legal_hold=True).exists():
        raise ImageHeld(image.key)
    if not Bucket.objects.for_uploads().filter(pk=to_bucket.pk).exists():
        raise ObjectRefused("not_for_images")
    if JobItem.objects.open().filter(image=image).exists():
        raise ObjectRefused("busy")
    if Upload.objects.filter(bucket=to_bucket, key=to_key, status=Upload.Status.CREATED).exists():
        raise ObjectRefused("being_uploaded")
    moving = TrashedObject.objects.holding(to_bucket, [to_key])
    if Image.objects.filter(bucket=to_bucket, key=to_key).exists() or moving.exists():
        raise AwsConflict(to_key)


def _move_row(image: Image, to_bucket: Bucket, to_key: str, etag: str) -> Leftover:
    """Give the row its new place; returns the old object. Raises when a job or another image was faster."""
    try:
        with transaction.atomic():
            locked = (
                Image.objects.select_for_update().filter(pk=image.pk, key=image.key, bucket=image.bucket_id).first()
            )
            if locked is None or JobItem.objects.open().filter(image=image).exists():
                raise ObjectRefused("busy")
            leftover = Leftover.objects.create(bucket=locked.bucket, key=locked.key)
            for derived in (Rendition, Analysis):  # made of the same bytes, whatever S3 calls them now
                derived.objects.filter(image=image, source_etag=locked.etag).update(source_etag=etag)
            if to_bucket != locked.bucket:
                locked.name, locked.unique_name = names.free(to_bucket, locked.name, Image), to_bucket.unique_names
            locked.bucket, locked.key, locked.etag = to_bucket, to_key, etag
            locked.save(update_fields=["bucket", "key", "etag", "name", "unique_name"])
    except IntegrityError as error:
        raise AwsConflict(to_key) from error
    image.refresh_from_db()
    return leftover


def _move_rendition(rendition: Rendition, image: Image) -> bool:
    """Whether it came along. Its old object, or the copy that nobody needs, is deleted or left for the sweep."""
    place = image.bucket.renditions_bucket
    assert place is not None  # noqa: S101  (for_uploads)
    key = keys.rendition_key(
        preset=rendition.preset.slug,
        version=rendition.preset_version,
        key=image.key,
        etag=rendition.source_etag,
        extension=rendition.key.rpartition(".")[2],
    )
    etag = ""
    try:
        etag = s3_objects.copy_object(rendition.bucket.name, rendition.key, to_bucket=place.name, to_key=key)
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
