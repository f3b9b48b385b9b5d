"""Catalogue and inventory as tests of findings need them: rows alone, without any object."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from media_catalog.models import Bucket, Image, InventoryObject, Preset, Rendition, Scan, Upload

BEFORE = timedelta(days=3)


def images(bucket: Bucket, keys: Iterable[str], **fields: object) -> list[Image]:
    """Images of some days ago."""
    return Image.objects.bulk_create(
        Image(
            **{
                "bucket": bucket, "key": key, "etag": "e" * 32, "size": 1, "content_type": "image/jpeg", "name": key,
                "format": "JPEG", "width": 1, "height": 1, "created_at": timezone.now() - BEFORE, **fields,
            }
        )
        for key in keys
    )  # fmt: skip


def thumbnails(of: Iterable[Image], bucket: Bucket) -> list[Rendition]:
    preset = Preset.objects.get(slug="thumbnail")
    return Rendition.objects.bulk_create(
        Rendition(
            image=image, preset=preset, bucket=bucket, key=image.key, etag="r", size=1, content_type="image/jpeg",
            width=1, height=1, source_etag=image.etag, preset_version=1, created_at=timezone.now() - BEFORE,
        )
        for image in of
    )  # fmt: skip


def uploads(bucket: Bucket, keys: Iterable[str], **fields: object) -> list[Upload]:
    """Open ones that nobody has settled for days."""
    before = timezone.now() - BEFORE
    return Upload.objects.bulk_create(
        Upload(**{"uuid": uuid4(), "bucket": bucket, "key": key, "name": key, "created_at": before, **fields})
        for key in keys
    )


def listed(bucket: Bucket, keys: Iterable[str]) -> Scan:
    """A complete scan that has seen exactly these keys."""
    scan = Scan.objects.create(bucket=bucket, run=uuid4().hex, state=Scan.State.COMPLETE, finished_at=timezone.now())
    rows = [
        InventoryObject(
            bucket=bucket, key=key, etag="o", size=1, modified=timezone.now() - BEFORE, storage_class="STANDARD",
            scan=scan,
        )
        for key in keys
    ]  # fmt: skip
    InventoryObject.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["bucket", "key"], update_fields=["scan", "missing_since"]
    )
    InventoryObject.objects.filter(bucket=bucket).exclude(scan=scan).update(missing_since=timezone.now())
    return scan
