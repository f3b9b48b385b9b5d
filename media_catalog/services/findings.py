"""Acting on findings. Each looks at S3 again first: what was true at the last inventory may not be any more.

A fault on the way is never taken for absence: it is raised where another try may help, else it stays with the finding.
That an object is missing is believed only while its bucket answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.aws import s3
from media_catalog.exceptions import (
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    BackofficeError,
    MeterUnavailable,
    ObjectRefused,
    QuotaRefused,
)
from media_catalog.models import Bucket, Finding, Image, InventoryObject, Rendition, StoredFile, Upload

from . import (
    arrivals,
    bucket_audit,
    direct_uploads,
    events,
    inventory,
    previews,
    quarantine,
    renditions,
    trash,
    uploads,
)
from .catalogued import has_row, is_on_its_way, is_rendition
from .sentences import sentence

_RAISED = (AwsThrottled, AwsUnavailable, MeterUnavailable, QuotaRefused)
_Kind, _Action = Finding.Kind, Finding.Action


@dataclass(frozen=True, kw_only=True)
class Done:
    """`gone`: there was nothing to act on any more. `fields` are further columns, and may say what was done instead."""

    said: str
    gone: bool = False
    fields: Mapping[str, str] | None = None


def actions_for(finding: Finding) -> set[str]:
    """What can be done about it now. What one inventory alone has seen may be catalogued, and is not touched."""
    if _is_in_quarantine(finding):
        return {_Action.RESTORE}
    if finding.state not in Finding.LIVE:
        return set()
    settled: set[str] = {_Action.REOPEN} if finding.state == Finding.State.DISMISSED else {_Action.DISMISS}
    acts = {action for kind, action in _ACTS if kind == finding.kind and _fits(finding, action)}
    return settled | (acts if finding.is_certain else acts & {_Action.ADOPT})


def permission_for(finding: Finding, action: str) -> str:
    """What one must be allowed to do elsewhere, too, for the same deed; empty for none."""
    if action != _Action.DELETE:
        return ""
    if finding.kind != _Kind.ROW_WITHOUT_OBJECT or finding.rendition_id:
        return "delete_objects"
    return "delete_storedfile" if finding.evidence.get("row") == StoredFile._meta.model_name else "delete_image"


def mark(findings: Sequence[Finding], action: str, *, by: str) -> None:
    """Dismiss findings, or have them as their inventories have left them. One query."""
    certain = Q(kind=_Kind.STALE_UPLOAD) | Q(times_seen__gte=Finding.CERTAIN)
    opened = Case(When(certain, then=Value(Finding.State.OPEN.value)), default=Value(Finding.State.ONCE.value))
    state = Finding.State.DISMISSED if action == _Action.DISMISS else opened
    Finding.objects.filter(pk__in=[finding.pk for finding in findings]).update(
        state=state, action=action, acted_by=by, acted_at=timezone.now()
    )


def act(finding: Finding, action: str, *, by: str, run: str, may: Callable[[str], bool]) -> None:
    """Do what was asked for and write down what came of it. `may` tells whether who has asked has a permission.

    Raises faults that may pass, and QuotaRefused; with others the finding stays as it was, with the reason.
    """
    fields: dict[str, Any] = {"run": run}
    done: Done | None = None
    try:
        done = _act(finding, action, may)
    except _RAISED:
        raise
    except BackofficeError as error:
        fields["result"] = sentence(error)
    else:
        now = timezone.now()
        state = Finding.State.GONE if done.gone else Finding.State.RESOLVED
        fields |= {} if done.gone else {"action": action, "acted_by": by, "acted_at": now}
        fields |= {"state": state, "result": done.said, **(done.fields or {})}
    with transaction.atomic():
        Finding.objects.filter(pk=finding.pk).update(**fields)
        if done and not done.gone:
            bucket_audit.acted(finding, fields["action"], by=by)


def _act(finding: Finding, action: str, may: Callable[[str], bool]) -> Done:
    if action not in actions_for(finding):
        raise ObjectRefused("not_for_finding")
    needed = permission_for(finding, action)
    if needed and not may(needed):
        raise ObjectRefused("not_permitted")
    if action == _Action.RESTORE:
        quarantine.put_back(finding)
        return Done(said=_("Put back. The next inventories will find it again, if it has no row."))
    return _CHECKS[finding.kind](finding) or _ACTS[finding.kind, action](finding)


def _is_in_quarantine(finding: Finding) -> bool:
    """Or may be: an inventory may have met what a run that was cut off has moved there, and have found it gone."""
    if finding.state == Finding.State.RESOLVED:
        return finding.action == _Action.QUARANTINE
    return finding.state == Finding.State.GONE and bool(finding.quarantine_key)


def _fits(finding: Finding, action: str) -> bool:
    """Only renditions can be made again, and only in buckets for originals are objects images."""
    if action == _Action.ADOPT and finding.kind == _Kind.OBJECT_WITHOUT_ROW:
        return finding.bucket.role == Bucket.Role.ORIGINALS
    return action != _Action.RECREATE or finding.rendition_id is not None


def _still_missing(finding: Finding) -> Done | None:
    held = s3.head_object(finding.bucket.name, finding.key)
    if held is None:
        _check_bucket(finding)
        return None
    Image.everything.filter(bucket=finding.bucket_id, key=finding.key).update(missing_since=None)
    return Done(said=_("S3 has the object."), gone=True)


def _still_unknown(finding: Finding) -> Done | None:
    """Why there is nothing to do; raises ObjectRefused when another object is there by now."""
    place = InventoryObject.objects.filter(bucket=finding.bucket_id, key=finding.key)
    if place.filter(has_row() | is_rendition() | is_on_its_way()).exists():
        return Done(said=_("The catalogue knows it by now."), gone=True)
    held = s3.head_object(finding.bucket.name, finding.key)
    if held is None:
        return _where_it_went(finding)
    if held.etag != finding.evidence.get("etag"):
        raise ObjectRefused("changed")
    return None


def _where_it_went(finding: Finding) -> Done:
    """To quarantine, when a run was cut off after it had moved it there; else it is gone."""
    if finding.quarantine_key and s3.head_object(finding.bucket.name, finding.quarantine_key):
        inventory.forget(finding.bucket, [finding.key])
        return Done(said=_("Moved to quarantine."), fields={"action": _Action.QUARANTINE})
    _check_bucket(finding)
    inventory.forget(finding.bucket, [finding.key])
    return Done(said=_("S3 has no such object any more."), gone=True)


def _still_open(finding: Finding) -> Done | None:
    if _upload(finding).status == Upload.Status.CREATED:
        return None
    return Done(said=_("The upload has been settled."), gone=True)


def _check_bucket(finding: Finding) -> None:
    """An object of a bucket that is gone, too, is answered as missing."""
    if not s3.bucket_exists(finding.bucket.name):
        raise AwsNotFound(finding.bucket.name)


def _adopt(finding: Finding) -> Done:
    if finding.bucket.role != Bucket.Role.ORIGINALS:
        raise ObjectRefused("not_for_images")
    found = events.fetch(finding.bucket, finding.key)
    if found is None:
        raise ObjectRefused("changed")
    image = arrivals.record(
        bucket=found.bucket, key=found.key, etag=found.etag, size=found.size, sha256=found.sha256, probe=found.probe
    ).image
    return Done(said=_("Catalogued as image %(id)s.") % {"id": image.pk})


def _recreate(finding: Finding) -> Done:
    rendition = Rendition.objects.select_related("image__bucket__renditions_bucket", "preset", "bucket")
    row = rendition.filter(pk=finding.rendition_id or 0).first()
    if row is None:
        return Done(said=_("The rendition is not in the catalogue any more."), gone=True)
    renditions.make_one(image=row.image, preset=row.preset)
    return Done(said=_("Made again."))


def _quarantine(finding: Finding) -> Done:
    # Written down before: after a run that is cut off, the object is found where it lies.
    Finding.objects.filter(pk=finding.pk).update(quarantine_key=quarantine.place_of(finding))
    quarantine.put_away(finding)
    inventory.forget(finding.bucket, [finding.key])
    return Done(said=_("Moved to quarantine."))


def _delete_object(finding: Finding) -> Done:
    moved = trash.move_object(bucket=finding.bucket, key=finding.key)
    inventory.forget(finding.bucket, [finding.key])
    return Done(said=_("Moved to the trash.") if moved else _("Gone already."))


def _delete_row(finding: Finding) -> Done:
    if finding.rendition_id:
        for rendition in Rendition.objects.filter(pk=finding.rendition_id, key=finding.key):
            previews.forget(rendition)
            rendition.delete()
        return Done(said=_("The row is deleted: the rendition counts as not made."))
    if finding.evidence.get("row") == StoredFile._meta.model_name:
        return _delete_file(finding)
    image = Image.objects.select_related("bucket").filter(pk=finding.image_id or 0, key=finding.key).first()
    if image is None:
        return Done(said=_("The image is not in the catalogue any more."), gone=True)
    if trash.move_image(image=image):  # its object is back by now
        return Done(said=_("Moved to the trash."))
    return Done(said=_("The image is removed, with its renditions."))


def _delete_file(finding: Finding) -> Done:
    file = StoredFile.objects.filter(pk=finding.evidence["id"], key=finding.key).first()
    if file is None:
        return Done(said=_("The file is not in the catalogue any more."), gone=True)
    if trash.move_file(file=file):  # its object is back by now
        return Done(said=_("Moved to the trash."))
    return Done(said=_("The file is out of the catalogue."))


def _settle(finding: Finding) -> Done:
    """As the sweep would."""
    with _claimed(finding) as upload:
        image = _settle_one(upload)
    if image:
        return Done(said=_("Catalogued as image %(id)s.") % {"id": image.pk})
    if Upload.objects.filter(pk=upload.pk, status=Upload.Status.COMPLETED).exists():
        return Done(said=_("Catalogued, and the upload closed."))
    return Done(said=_("Closed: nothing had come."))


def _give_up(finding: Finding) -> Done:
    """An upload with an error is undone: what came of it is deleted."""
    with _claimed(finding) as upload:
        upload.error = upload.error or "given up by staff"
        upload.save(update_fields=["error"])
        _settle_one(upload)
    return Done(said=_("Closed, and what had come of it deleted."))


def _settle_one(upload: Upload) -> Image | None:
    settle = uploads.settle_one if upload.expires_at is None else direct_uploads.expire_one
    return settle(upload=upload)


@contextmanager
def _claimed(finding: Finding) -> Iterator[Upload]:
    """The upload, for us alone; as it was before when it could not be settled. Raises ObjectRefused while another is
    at work on it.
    """
    upload = _upload(finding)
    before, now = upload.next_try_at, timezone.now()
    until = now + direct_uploads.CLAIM
    if not Upload.objects.claim(upload, now, until):
        raise ObjectRefused("being_uploaded")
    try:
        yield upload
    finally:
        Upload.objects.filter(pk=upload.pk, next_try_at=until).update(next_try_at=before)


def _upload(finding: Finding) -> Upload:
    """Rows of uploads are not deleted."""
    return Upload.objects.select_related("bucket", "user").get(pk=finding.upload_id or 0)


_CHECKS: Mapping[str, Callable[[Finding], Done | None]] = {
    _Kind.ROW_WITHOUT_OBJECT: _still_missing,
    _Kind.OBJECT_WITHOUT_ROW: _still_unknown,
    _Kind.RENDITION_WITHOUT_ORIGINAL: _still_unknown,
    _Kind.STALE_UPLOAD: _still_open,
}
_ACTS: Mapping[tuple[str, str], Callable[[Finding], Done]] = {
    (_Kind.ROW_WITHOUT_OBJECT, _Action.RECREATE): _recreate,
    (_Kind.ROW_WITHOUT_OBJECT, _Action.DELETE): _delete_row,
    (_Kind.OBJECT_WITHOUT_ROW, _Action.ADOPT): _adopt,
    (_Kind.OBJECT_WITHOUT_ROW, _Action.QUARANTINE): _quarantine,
    (_Kind.OBJECT_WITHOUT_ROW, _Action.DELETE): _delete_object,
    (_Kind.RENDITION_WITHOUT_ORIGINAL, _Action.QUARANTINE): _quarantine,
    (_Kind.RENDITION_WITHOUT_ORIGINAL, _Action.DELETE): _delete_object,
    (_Kind.STALE_UPLOAD, _Action.ADOPT): _settle,
    (_Kind.STALE_UPLOAD, _Action.DELETE): _give_up,
}
