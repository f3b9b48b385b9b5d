"""Moving doubtful objects out of the way, and back: a folder of the same bucket, below the number of the finding."""

from contextlib import suppress

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound, ObjectRefused
from media_catalog.models import Bucket, Finding, Image, Leftover, Rendition, StoredFile, TrashedObject, Upload
from media_catalog.s3_events import QUARANTINE

from . import object_keys


def place_of(finding: Finding) -> str:
    """Where the object goes. A key that is too long to stand there loses its beginning: the finding has all of it."""
    folder = f"{QUARANTINE}{finding.pk}/"
    room = object_keys.MAX_BYTES - len(folder)
    return folder + finding.key.encode()[-room:].decode(errors="ignore")


def put_away(finding: Finding) -> None:
    """Move the object there. One HEAD, one COPY, one DELETE; a repeat finds what is done.

    Raises ObjectRefused under legal hold and above what S3 copies, before any request; AwsConflict when S3 holds
    another object by now than was found.
    """
    _check_hold(finding)
    size = finding.evidence.get("size", 0)
    if size > s3_objects.MAX_COPY_BYTES:
        raise ObjectRefused("too_large_to_copy", size=size, limit=s3_objects.MAX_COPY_BYTES)
    _move(finding, finding.key, place_of(finding), etag=str(finding.evidence.get("etag")))


def put_back(finding: Finding) -> None:
    """Move it back. Two HEAD, one COPY, one DELETE; a repeat finds what is done.

    Raises ObjectRefused under legal hold or while somebody uploads to the key, AwsConflict when the key is taken, and
    AwsNotFound when the object is gone.
    """
    _check_hold(finding)
    held = s3.head_object(finding.bucket.name, finding.quarantine_key)
    if held is None:
        back = s3.head_object(finding.bucket.name, finding.key)
        if back is None or back.etag != finding.evidence.get("etag"):
            raise AwsNotFound(finding.quarantine_key)
        return
    _check_free(finding)
    _move(finding, finding.quarantine_key, finding.key, etag=held.etag)


def _check_hold(finding: Finding) -> None:
    if Bucket.objects.filter(pk=finding.bucket_id, legal_hold=True).exists():
        raise ObjectRefused("held")


def _check_free(finding: Finding) -> None:
    """Whether the catalogue has another use for the key by now."""
    place = {"bucket": finding.bucket_id, "key": finding.key}
    if Upload.objects.filter(**place, status=Upload.Status.CREATED).exists():
        raise ObjectRefused("being_uploaded")
    taken = any(kind.objects.filter(**place).exists() for kind in (Image, StoredFile, Rendition, Leftover))
    if taken or TrashedObject.objects.holding(finding.bucket_id, [finding.key]).exists():
        raise AwsConflict(finding.key)


def _move(finding: Finding, key: str, to_key: str, *, etag: str) -> None:
    """Move exactly the object with this ETag. What a run that was cut off has copied has the same one.

    With keys of KMS, or of an object that came in parts, the copy has another ETag: then it is taken for another's.
    """
    bucket = finding.bucket.name
    held = s3.head_object(bucket, to_key)
    if held and held.etag != etag:
        raise AwsConflict(to_key)
    if not held:
        s3_objects.copy_object(bucket, key, to_bucket=bucket, to_key=to_key, only=etag)
    with suppress(AwsNotFound):  # a run that was cut off has come so far
        s3.delete_exactly(bucket, key, etag=etag)
