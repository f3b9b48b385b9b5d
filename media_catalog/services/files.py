"""Files of any type: what may be uploaded, and handing them out, always to be saved and never to be shown."""

import mimetypes
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.http import content_disposition_header

from media_catalog.exceptions import ObjectRefused
from media_catalog.models import Bucket, StoredFile, Upload
from media_catalog.models.files import LONGEST_DESCRIPTION, SHORTEST_DESCRIPTION

from . import arrivals, keys, names, object_keys, uploads
from .objects import ANY_TYPE


def store(
    *, file: BinaryIO, name: str, description: str, bucket: Bucket, user: User | None, title: str = ""
) -> StoredFile:
    """Write a file to the bucket under a key of its own and catalogue it. One PUT unless the name is taken.

    It may be empty. Its type is what its name says, and nobody believes it: see `disposition`. Raises ObjectRefused
    before anything is stored. Of faults nothing stays half-stored, as with images (`uploads.store`).
    """
    called = uploads.clean_title(title) or uploads.clean_title(name) or "file"
    _check(bucket, file, called, description)
    draft = Upload(
        bucket=bucket, name=called, caption=description, sha256=uploads.sha256(file), user=user, is_file=True
    )
    kind = content_type(name)
    return uploads.write(
        draft,
        file,
        candidates=keys.candidates(keys.clean_name(name, extension=keys.clean_extension(name) or "bin")),
        content_type=kind,
        record=lambda upload, held: arrivals.record_file(
            upload=upload, etag=held.etag, size=held.size, content_type=kind
        ),
    )


def content_type(name: str) -> str:
    """By the ending of the name."""
    return mimetypes.guess_type(name)[0] or ANY_TYPE


def disposition(file: StoredFile) -> str:
    """The Content-Disposition under which browsers save it, whatever it is."""
    name = object_keys.download_name(file.name)
    return content_disposition_header(as_attachment=True, filename=name) or "attachment"


def _check(bucket: Bucket, file: BinaryIO, name: str, description: str) -> None:
    if not Bucket.objects.for_files().filter(pk=bucket.pk).exists():
        raise ObjectRefused("not_for_files")
    if not SHORTEST_DESCRIPTION <= len(description) <= LONGEST_DESCRIPTION:
        raise ObjectRefused("description_length")
    size = file.seek(0, 2)
    if size > settings.FILE_MAX_BYTES:
        raise ObjectRefused("too_large", size=size, limit=settings.FILE_MAX_BYTES)
    names.check(bucket, name, StoredFile)
