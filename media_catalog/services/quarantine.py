"""Moving doubtful objects out of the way, and back: a folder of the same bucket, below the number of the finding."""

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound
from media_catalog.models import Finding
from media_catalog.s3_events import QUARANTINE

from . import object_keys


def put_away(finding: Finding) -> str:
    """Move the object there and return its key. One HEAD, one COPY, one DELETE; a repeat finds what is done."""
    place = f"{QUARANTINE}{finding.pk}/{finding.key}"
    object_keys.check_new(place)
    _move(finding, finding.key, place, size=finding.evidence.get("size"))
    return place


def put_back(finding: Finding) -> None:
    """Move it back. Two HEAD, one COPY, one DELETE. AwsConflict when the key is taken, AwsNotFound when it is gone."""
    held = s3.head_object(finding.bucket.name, finding.quarantine_key)
    if held is None:
        raise AwsNotFound(finding.quarantine_key)
    _move(finding, finding.quarantine_key, finding.key, size=held.size)


def _move(finding: Finding, key: str, to_key: str, *, size: object) -> None:
    """What a run that was cut off has copied is recognised by its size: nobody else writes to that place."""
    bucket = finding.bucket.name
    held = s3.head_object(bucket, to_key)
    if held and held.size != size:
        raise AwsConflict(to_key)
    if not held:
        s3_objects.copy_object(bucket, key, to_bucket=bucket, to_key=to_key)
    s3.delete_object(bucket, key)
