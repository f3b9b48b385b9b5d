"""How an object becomes known, whoever reports it."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from media_catalog.exceptions import AwsConflict
from media_catalog.imaging.probe import Probe
from media_catalog.models import Bucket, Image, Upload


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """`new` is True for the first report of this bucket, key and ETag: its caller starts the processing.

    `replaced`: the catalogue knew another object under the key.
    """

    image: Image
    new: bool
    replaced: bool = False


def record(
    *, bucket: Bucket, key: str, etag: str, size: int, sha256: str, probe: Probe, upload: Upload | None = None
) -> Arrival:
    """Catalogue an object, and complete the upload that wrote it if one of ours did, in one transaction. Idempotent.

    When the catalogue knows another object (another ETag) under the key: one that was put there by others takes its
    place, as it did at S3; for an upload AwsConflict is raised, and nothing is changed.
    """
    facts = {
        "etag": etag,
        "sha256": sha256,
        "size": size,
        "content_type": probe.content_type,
        "format": probe.format,
        "width": probe.width,
        "height": probe.height,
        "orientation": probe.orientation,
        "frames": probe.frames,
    }
    with transaction.atomic():
        image, created = Image.objects.select_for_update().get_or_create(
            bucket=bucket, key=key, defaults={**facts, **_origin(key, upload)}
        )
        replaced = image.etag != etag
        if replaced and upload:
            raise AwsConflict(key)
        if replaced or image.missing_since:
            Image.objects.filter(pk=image.pk).update(**facts, missing_since=None)
            image.refresh_from_db()
        if upload:
            Upload.objects.filter(pk=upload.pk).update(status=Upload.Status.COMPLETED, sha256=sha256)
    return Arrival(image=image, new=created or replaced, replaced=replaced)


def _origin(key: str, upload: Upload | None) -> dict[str, Any]:
    """Who brought it, and under which name."""
    if upload is None:
        return {"name": key.rstrip("/").rpartition("/")[2][-255:] or key[-255:]}
    return {"name": upload.name, "caption": upload.caption, "uploaded_by": upload.user}
