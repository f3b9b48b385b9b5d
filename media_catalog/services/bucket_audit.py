"""The audit of buckets: what was done to them, by whom requests are attributed to (`quota.attribution`).

Events name a bucket by its name, so they are found when its row is gone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from media_catalog.models import AuditEvent, Bucket, Finding
from media_catalog.quota import audit
from media_catalog.quota.attribution import current

from .object_keys import visible

_Action = AuditEvent.Action
_FOUND = {Finding.Action.QUARANTINE: _Action.FINDING_QUARANTINED, Finding.Action.DELETE: _Action.FINDING_DELETED}


def purpose(bucket: Bucket) -> dict[str, Any]:
    """What the bucket is for, as stored. One query or two."""
    stored = Bucket.objects.select_related("renditions_bucket").get(pk=bucket.pk)
    served = Bucket.objects.filter(renditions_bucket=bucket.pk).first()
    return {
        "role": stored.role,
        "accepts": stored.accepts,
        "renditions_bucket": str(stored.renditions_bucket or ""),
        "originals_bucket": str(served or ""),
    }


def created(bucket: Bucket) -> None:
    values = {"region": bucket.region, **{name: value for name, value in purpose(bucket).items() if value}}
    audit.changed(_Action.BUCKET_CREATED, target=bucket.name, username=current().username, before={}, after=values)


def changed(bucket: Bucket, *, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What differs; a legal hold is an event of its own. Nothing when all is as it was."""
    name, username = bucket.name, current().username
    if "legal_hold" in after and after["legal_hold"] != before["legal_hold"]:
        action = _Action.LEGAL_HOLD_ON if after["legal_hold"] else _Action.LEGAL_HOLD_OFF
        audit.note(action, target=name, username=username)
    rest = {field: value for field, value in after.items() if field != "legal_hold"}
    audit.changed(_Action.BUCKET_CHANGED, target=name, username=username, before=before, after=rest)


def emptied(bucket: Bucket, keys: Sequence[str]) -> None:
    """Entries that are deleted so that the bucket can go."""
    names = [visible(key) for key in keys]  # PostgreSQL takes NUL in no text
    audit.deleted(_Action.BUCKET_EMPTIED, bucket=bucket.name, keys=names, username=current().username)


def deleted(bucket: Bucket, *, entries: int) -> None:
    """The bucket itself, after so many entries of it."""
    values = {"role": bucket.role, "region": bucket.region, "entries": entries}
    audit.note(_Action.BUCKET_DELETED, target=bucket.name, username=current().username, before=values)


def acted(finding: Finding, action: str, *, by: str) -> None:
    """What was done about a finding, if objects or rows have gone by it."""
    if event := _FOUND.get(Finding.Action(action)):
        values = {"finding": finding.kind, "key": finding.key}
        audit.note(event, target=finding.bucket.name, username=by, before=values)
