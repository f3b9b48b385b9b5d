"""What acting on findings costs: the requests that services/findings.py sends while all is as the last inventory, and
the catalogue, have it. What has changed since is left alone earlier, so that takes fewer.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Subquery

from media_catalog.aws import objects as s3_objects
from media_catalog.models import Finding, Image, InventoryObject, Rendition, RequestClass, StoredFile, Upload

from . import renditions
from .catalogued import has_row, is_on_its_way, is_rendition
from .findings import actions_for

_T1, _T2, _FREE = RequestClass.S3_TIER1.value, RequestClass.S3_TIER2.value, RequestClass.FREE.value
_Kind, _Action = Finding.Kind, Finding.Action
Requests = Mapping[str, int]
Found = Any  # a Finding with the columns of `_with_places`
LOOK: Requests = {_T2: 1}  # a HEAD, or a GET
MOVE: Requests = {_T2: 1, _T1: 1, _FREE: 1}  # HEAD, COPY, DELETE


def cost(findings: Collection[int], action: str) -> dict[str, int]:
    """Requests of an action on these (ids), in the order of the job. Five queries.

    What nobody knows before it is read: the GET of a direct upload whose content is refused is followed by a DELETE,
    and an object under the key of an upload that another has written is left alone after a HEAD.
    """
    rows = _with_places(findings)
    known = _known(rows)
    total: Counter[str] = Counter()
    for finding in rows:
        if action not in actions_for(finding):
            continue
        if action == _Action.RESTORE:
            total.update(_of_return(finding, known))
        else:
            total.update(_COSTS[finding.kind](finding, action, known))
    return {cls: count for cls, count in total.items() if count}


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the catalogue has of what was found: renditions, keys of images and files, by their ids.

    `held`: how many renditions an image has; `back`: ETags of what was put back, by bucket and key. Both are as the
    findings before leave them.
    """

    renditions: Mapping[int, Rendition]
    images: Mapping[int, str]
    files: Mapping[int, str]
    held: Counter[int]
    back: dict[tuple[int, str], str] = field(default_factory=dict)


def _with_places(findings: Collection[int]) -> Sequence[Found]:
    """With `taken`: the catalogue has a use for the key by now; `etag` of what S3 has there, None for nothing;
    `quarantined`: its place in quarantine is in the inventory.
    """
    there = InventoryObject.objects.filter(bucket=OuterRef("bucket"), missing_since=None)
    rows = Finding.objects.filter(pk__in=findings).select_related("bucket", "upload").order_by("pk")
    taken = has_row() | is_rendition() | is_on_its_way()
    return list(
        rows.annotate(
            taken=ExpressionWrapper(taken, output_field=BooleanField()),
            etag=Subquery(there.filter(key=OuterRef("key")).values("etag")[:1]),
            quarantined=Exists(there.filter(key=OuterRef("quarantine_key"))),
        )
    )


def _known(rows: Sequence[Found]) -> _Known:
    of_rows = [finding for finding in rows if finding.kind == _Kind.ROW_WITHOUT_OBJECT]
    lost = {finding.rendition_id for finding in of_rows if finding.rendition_id}
    about = {finding.image_id for finding in of_rows if finding.image_id}
    files = {finding.evidence["id"] for finding in of_rows if _is_file(finding)}
    made = Rendition.objects.select_related("image__bucket__renditions_bucket", "preset", "bucket")
    held = Rendition.objects.filter(image__in=about).order_by().values_list("image").annotate(Count("pk"))
    return _Known(
        renditions=made.in_bulk(lost),
        images=dict(Image.objects.filter(pk__in=about).values_list("pk", "key")),
        files=dict(StoredFile.objects.filter(pk__in=files).values_list("pk", "key")),
        held=Counter(dict(held)),
    )


def _is_file(finding: Finding) -> bool:
    return bool(finding.evidence.get("row") == StoredFile._meta.model_name)


def _of_row(finding: Found, action: str, known: _Known) -> Requests:
    """Two HEADs: there is no object, and its bucket answers."""
    requests = Counter({_T2: 2})
    if finding.rendition_id:
        rendition = known.renditions.get(finding.rendition_id)
        if rendition and action == _Action.RECREATE:
            requests.update(renditions.cost_of_one(rendition))
        elif rendition and rendition.key == finding.key:
            known.held[rendition.image_id] -= 1
        return requests
    is_file = _is_file(finding)
    keys, pk = (known.files, finding.evidence["id"]) if is_file else (known.images, finding.image_id)
    if keys.get(pk) != finding.key or finding.bucket.legal_hold:
        return requests
    # The COPY to the trash finds nothing, and a HEAD the bucket. Of an image the renditions go.
    return requests + Counter({_T1: 1, _T2: 1, _FREE: 0 if is_file else known.held[pk]})


def _of_object(finding: Found, action: str, known: _Known) -> Requests:
    """A HEAD, unless the catalogue has a use for it by now."""
    if finding.taken:
        return {}
    requests = Counter(LOOK)
    if action == _Action.ADOPT:
        return requests + Counter(LOOK)
    too_large = finding.evidence.get("size", 0) > s3_objects.MAX_COPY_BYTES
    if finding.bucket.legal_hold or (action == _Action.QUARANTINE and too_large):
        return requests
    return requests + Counter(LOOK if too_large else MOVE)


def _of_upload(finding: Found, action: str, known: _Known) -> Requests:
    """A HEAD or a GET. What is there is read, or with an error deleted."""
    upload = finding.upload
    if upload is None or upload.status != Upload.Status.CREATED:
        return {}
    there = int(finding.etag is not None)
    if upload.error or action == _Action.DELETE:
        return {_T2: 1, _FREE: there}
    if upload.expires_at:
        return LOOK
    return {_T2: 1 if upload.is_file else 1 + there}


def _of_return(finding: Found, known: _Known) -> Requests:
    """Out of quarantine: a HEAD there, and a move."""
    place, etag = (finding.bucket_id, finding.key), finding.evidence.get("etag", "")
    if finding.bucket.legal_hold:
        return {}
    if finding.state == Finding.State.GONE and not finding.quarantined:
        return {_T2: 2}
    if finding.taken:
        return LOOK
    there = known.back.get(place, finding.etag)
    known.back[place] = there or etag
    if there:
        return {_T2: 2, _FREE: int(there == etag)}
    return Counter(LOOK) + Counter(MOVE)


_COSTS: Mapping[str, Callable[[Found, str, _Known], Requests]] = {
    _Kind.ROW_WITHOUT_OBJECT: _of_row,
    _Kind.OBJECT_WITHOUT_ROW: _of_object,
    _Kind.RENDITION_WITHOUT_ORIGINAL: _of_object,
    _Kind.STALE_UPLOAD: _of_upload,
}
