"""How an object becomes known, whoever reports it."""

from dataclasses import dataclass

from django.db import transaction

from media_catalog.exceptions import AwsConflict
from media_catalog.imaging.probe import Probe
from media_catalog.models import Image, Upload


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """`new` is True for the first report of this bucket, key and ETag: its caller starts the processing."""

    image: Image
    new: bool


def record(*, upload: Upload, etag: str, size: int, probe: Probe) -> Arrival:
    """Catalogue an uploaded object and complete its upload, in one transaction. Idempotent.

    Raises AwsConflict when the catalogue knows another object (another ETag) under the key; nothing is changed then.
    """
    with transaction.atomic():
        image, created = Image.objects.select_for_update().get_or_create(
            bucket=upload.bucket,
            key=upload.key,
            defaults={
                "etag": etag,
                "sha256": upload.sha256,
                "size": size,
                "content_type": probe.content_type,
                "format": probe.format,
                "width": probe.width,
                "height": probe.height,
                "orientation": probe.orientation,
                "name": upload.name,
                "caption": upload.caption,
                "uploaded_by": upload.user,
            },
        )
        if image.etag != etag:
            raise AwsConflict(upload.key)
        Upload.objects.filter(pk=upload.pk).update(status=Upload.Status.COMPLETED, sha256=upload.sha256)
    return Arrival(image=image, new=created)
