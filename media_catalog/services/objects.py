"""Objects of a bucket as they are at S3, whether the catalogue knows them or not."""

import io
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.http import content_disposition_header

from media_catalog.aws import listing, presign, s3
from media_catalog.aws import objects as s3_objects
from media_catalog.exceptions import AwsConflict, ObjectRefused
from media_catalog.imaging.probe import extension
from media_catalog.models import Bucket, Image, Rendition, StoredFile, TrashedObject

from . import decoding, keys, object_keys, uploads
from .catalogued import is_kept

PAGE_SIZE = 100
VERSIONS = 100  # shown of one object
DELIMITER = "/"
ANY_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the catalogue has under a key: an image, a rendition, a file, what lies there as trash; or nothing."""

    image: Image | None = None
    rendition: Rendition | None = None
    file: StoredFile | None = None
    trashed: TrashedObject | None = None


def folder_of(key: str) -> str:
    """The folder of a key, or of the beginning of one: all up to its last delimiter, empty at the top."""
    return key[: key.rfind(DELIMITER) + 1]


def browse(bucket: Bucket, *, prefix: str, token: str) -> listing.Page:
    """A page of folders and objects under the prefix. One LIST, however large the bucket is."""
    return listing.list_page(bucket.name, prefix=prefix, token=token, delimiter=DELIMITER, size=PAGE_SIZE)


def known(bucket: Bucket, names: Sequence[str]) -> dict[str, Known]:
    """What the catalogue has under these keys. Two queries, as files are in general buckets and renditions in others; a
    third for keys in the trash.
    """
    names = [name for name in names if "\x00" not in name]  # PostgreSQL refuses NUL
    images = {image.key: image for image in Image.objects.filter(bucket=bucket, key__in=names)}
    files, renditions = {}, {}
    if bucket.role == Bucket.Role.GENERAL:
        files = {file.key: file for file in StoredFile.objects.filter(bucket=bucket, key__in=names)}
    else:
        held = Rendition.objects.filter(bucket=bucket, key__in=names).select_related("image")
        renditions = {rendition.key: rendition for rendition in held}
    aside = [name for name in names if object_keys.is_reserved(name)]
    lying = TrashedObject.objects.listed().filter(bucket=bucket, trash_key__in=aside) if aside else []
    trashed = {row.trash_key: row for row in lying}
    return {
        name: Known(
            image=images.get(name), rendition=renditions.get(name), file=files.get(name), trashed=trashed.get(name)
        )
        for name in names
    }


def details(bucket: Bucket, key: str) -> s3_objects.Details | None:
    """One HEAD."""
    return s3_objects.get_details(bucket.name, key)


def versions(bucket: Bucket, key: str) -> list[listing.Version]:
    """The latest versions and delete markers of the object, newest first. One LIST."""
    page = listing.list_versions(bucket.name, prefix=key, size=VERSIONS)
    own = [version for version in page.versions if version.key == key]
    return sorted(own, key=lambda version: version.modified, reverse=True)


def download_link(bucket: Bucket, key: str) -> str:
    """An expiring link that downloads the object. Counted as one GET. For linkable keys only."""
    return presign.download_link(
        bucket.name,
        key,
        disposition=attachment(key),
        content_type=ANY_TYPE,
        seconds=settings.DOWNLOAD_LINK_SECONDS,
    )


def attachment(key: str) -> str:
    """The Content-Disposition under which an object is saved, never shown."""
    return content_disposition_header(as_attachment=True, filename=object_keys.download_name(key)) or "attachment"


def stream(bucket: Bucket, key: str) -> s3_objects.Stream | None:
    """The bytes of the object; None when it is gone. One GET."""
    return s3_objects.open_stream(bucket.name, key)


def picture(bucket: Bucket, key: str) -> tuple[bytes, str] | None:
    """The bytes of an image to show and their type, by what they are; None when it is gone. One GET.

    Raises ImageRefused when it is no image that we accept, and ObjectRefused above IMAGE_MAX_BYTES, unread.
    """
    try:
        content = s3.get_object(bucket.name, key, max_bytes=settings.IMAGE_MAX_BYTES)
    except s3.ObjectTooLarge as error:
        raise ObjectRefused("too_large", size=error.size, limit=settings.IMAGE_MAX_BYTES) from error
    if content is None:
        return None
    found = decoding.probe(io.BytesIO(content.body))
    return content.body, found.content_type


def upload(bucket: Bucket, *, file: BinaryIO, name: str, prefix: str, user: User | None) -> str:
    """Write a file under the prefix and return its key. One PUT; a taken name gets a suffix.

    In a bucket for originals that is an upload to the catalogue. Raises ImageRefused for what is no image where only
    images are taken, and ObjectRefused, also where the catalogue knows all and would not know this.
    """
    if bucket.role == Bucket.Role.RENDITIONS:
        raise ObjectRefused("renditions_bucket")
    if bucket.role == Bucket.Role.ORIGINALS:
        return _catalogue(bucket, file=file, name=name, prefix=prefix, user=user)
    if is_kept(bucket):
        raise ObjectRefused("unknown_object")
    size = file.seek(0, 2)
    if size > settings.FILE_MAX_BYTES:
        raise ObjectRefused("too_large", size=size, limit=settings.FILE_MAX_BYTES)
    kind, ending = _kind(bucket, file, name)
    digest = uploads.sha256(file)
    for candidate in keys.candidates(prefix + keys.clean_name(name, extension=ending)):
        object_keys.check_new(candidate)
        try:
            s3.put_object(bucket.name, candidate, file, content_type=kind, sha256=bytes.fromhex(digest))
        except AwsConflict:
            continue
        return candidate
    raise AwsConflict(name)


def upload_folder(bucket: Bucket, folder: str) -> str:
    """Where uploads to the folder go: those of the catalogue to one of a plain name."""
    if bucket.role != Bucket.Role.ORIGINALS:
        return folder
    plain = keys.clean_folder(folder)
    return f"{plain}{DELIMITER}" if plain else ""


def _catalogue(bucket: Bucket, *, file: BinaryIO, name: str, prefix: str, user: User | None) -> str:
    object_keys.check_new(prefix + name)
    return uploads.store(file=file, name=name, caption="", bucket=bucket, user=user, folder=prefix).key


def _kind(bucket: Bucket, file: BinaryIO, name: str) -> tuple[str, str]:
    """The content type and the ending of its key: of images by what they are, of others by their name."""
    if bucket.accepts == Bucket.Accepts.IMAGES:
        found = decoding.probe(file)
        return found.content_type, extension(found.format)
    guessed = mimetypes.guess_type(name)[0] or ANY_TYPE
    return guessed, keys.clean_extension(name) or "bin"
