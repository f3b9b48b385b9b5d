"""How an object becomes known, whoever reports it."""

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from media_catalog.exceptions import AwsConflict, ObjectRefused
from media_catalog.imaging.probe import Probe
from media_catalog.models import Bucket, Image, StoredFile, Upload

from . import names


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
    place, as it did at S3; for an upload AwsConflict is raised, and nothing is changed. What was missing is so no more.
    A name that is taken, where names are unique, gets a number; for an upload whose name somebody chose ObjectRefused
    is raised.
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
        if upload:  # first, as services/reports.py locks it first: the look of a poll and a report wait for each other
            Upload.objects.filter(pk=upload.pk).update(status=Upload.Status.COMPLETED, sha256=sha256)
        image, created = _get_or_create(bucket, key, {**facts, **_origin(bucket, key, upload)})
        replaced = image.etag != etag
        if replaced and upload:
            raise AwsConflict(key)
        if replaced or image.missing_since:
            Image.objects.filter(pk=image.pk).update(**facts, missing_since=None)
            image.refresh_from_db()
    return Arrival(image=image, new=created or replaced, replaced=replaced)


def record_file(*, upload: Upload, etag: str, size: int, content_type: str) -> StoredFile:
    """Catalogue a file that an upload of ours has written, and complete that, in one transaction.

    Raises ObjectRefused when its name is taken and names are unique.
    """
    try:
        with transaction.atomic():
            file = StoredFile.objects.create(
                bucket=upload.bucket,
                key=upload.key,
                etag=etag,
                sha256=upload.sha256,
                size=size,
                content_type=content_type[:100],
                name=upload.name,
                unique_name=upload.bucket.unique_names,
                description=upload.caption,
                uploaded_by=upload.user,
            )
            Upload.objects.filter(pk=upload.pk).update(status=Upload.Status.COMPLETED)
    except IntegrityError as error:
        raise ObjectRefused("name_taken") from error
    return file


def _get_or_create(bucket: Bucket, key: str, values: dict[str, Any]) -> tuple[Image, bool]:
    try:
        return Image.objects.select_for_update().get_or_create(bucket=bucket, key=key, defaults=values)
    except IntegrityError as error:  # the key is not in the way, so the name is
        raise ObjectRefused("name_taken") from error


def _origin(bucket: Bucket, key: str, upload: Upload | None) -> dict[str, Any]:
    """Who brought it, and under which name."""
    wanted = upload.name if upload else key.rstrip("/").rpartition("/")[2][-255:] or key[-255:]
    chosen = upload is not None and upload.channel == Upload.Channel.SERVER
    named = {"name": wanted if chosen else names.free(bucket, wanted, Image), "unique_name": bucket.unique_names}
    return {**named, "caption": upload.caption, "uploaded_by": upload.user} if upload else named
