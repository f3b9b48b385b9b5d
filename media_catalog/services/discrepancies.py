"""What the catalogue and the inventory of a bucket do not agree about, of each kind. Queries only, no request."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from media_catalog.models import Bucket, Finding, Image, InventoryObject, Rendition, Scan, Upload
from media_catalog.s3_events import is_for_renditions

from . import keys
from .catalogued import has_row, is_kept, is_on_its_way, is_rendition, is_reserved, tables

STALE = timedelta(days=1)  # long after the sweep should have settled an upload
_BY_LAMBDA = re.compile(r"image/([0-9a-f]{32})_[^/]*")
ETAG = 12  # characters of it in the key of a rendition (services/keys.py)
_VERSIONED = re.compile(r"[^/]+/(?P<key>.+)\.(?P<etag>[^./]{1,12})-v\d+\.[a-z0-9]+", re.DOTALL)
_SHORTENED = re.compile(r"[^/]+/.+\.(?P<digits>[0-9a-f]{32})-(?P<etag>[^./]{12})-v\d+\.[a-z0-9]+", re.DOTALL)
LONG = 200  # characters of a key, of up to 4 bytes: of one that has fewer, no rendition's key is shortened


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A discrepancy. `about` are columns of Finding; `evidence` is JSON."""

    key: str
    evidence: Mapping[str, Any]
    about: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Rows (with `key`) that look like a discrepancy of a kind, and what is left of a batch at a closer look."""

    kind: Finding.Kind
    rows: QuerySet[Any]
    read: Callable[[Sequence[Any]], list[Seen]]


def checks(bucket: Bucket, scan: Scan) -> list[Check]:
    """All that is looked for in the bucket, by a scan that has come to its end.

    Rows younger than the scan are left alone: it may have passed their keys before.
    """
    found = [_rows_without_object(table, bucket, scan) for table in tables()]
    found.append(_renditions_without_object(bucket, scan))
    if is_kept(bucket):
        found.append(_objects_without_row(bucket, scan))
    if bucket.role == Bucket.Role.RENDITIONS:
        found.append(_renditions_without_original(bucket, scan))
    found.append(_stale_uploads(bucket))
    return found


def present(bucket: Bucket, scan: Scan) -> QuerySet[InventoryObject]:
    """What this scan, or a later one that is under way, has seen."""
    return InventoryObject.objects.filter(bucket=bucket, scan__gte=scan.pk, missing_since=None)


def _missing(rows: QuerySet[Any], bucket: Bucket, scan: Scan) -> QuerySet[Any]:
    held = Exists(present(bucket, scan).filter(key=OuterRef("key")))
    return rows.filter(~held, bucket=bucket, created_at__lt=scan.started_at)


def _rows_without_object(table: type[Model], bucket: Bucket, scan: Scan) -> Check:
    def read(batch: Sequence[Any]) -> list[Seen]:
        return [
            Seen(
                key=row.key,
                evidence={"etag": row.etag, "size": row.size, "row": table._meta.model_name, "id": row.pk},
                about={"image_id": row.pk} if table is Image else {},
            )
            for row in batch
        ]

    rows = _missing(table._default_manager.all(), bucket, scan)
    return Check(kind=Finding.Kind.ROW_WITHOUT_OBJECT, rows=rows, read=read)


def _renditions_without_object(bucket: Bucket, scan: Scan) -> Check:
    def read(batch: Sequence[Rendition]) -> list[Seen]:
        return [
            Seen(
                key=row.key,
                evidence={"etag": row.etag, "size": row.size, "row": "rendition", "id": row.pk},
                about={"rendition_id": row.pk, "image_id": row.image_id},
            )
            for row in batch
        ]

    rows = _missing(Rendition.objects.filter(image__trashed_at=None), bucket, scan)
    return Check(kind=Finding.Kind.ROW_WITHOUT_OBJECT, rows=rows, read=read)


def _objects_without_row(bucket: Bucket, scan: Scan) -> Check:
    rows = _unknown(bucket, scan)
    return Check(kind=Finding.Kind.OBJECT_WITHOUT_ROW, rows=rows, read=lambda batch: [_object(row) for row in batch])


def _renditions_without_original(bucket: Bucket, scan: Scan) -> Check:
    def read(batch: Sequence[InventoryObject]) -> list[Seen]:
        ours = _of_known_uploads(batch) | _of_known_originals(batch, bucket) | _of_long_originals(batch, bucket)
        return [_object(row) for row in batch if row.key not in ours]

    return Check(kind=Finding.Kind.RENDITION_WITHOUT_ORIGINAL, rows=_unknown(bucket, scan), read=read)


def _unknown(bucket: Bucket, scan: Scan) -> QuerySet[InventoryObject]:
    """Objects that no row names. Folders, which some tools write as empty objects, are none."""
    folder = Q(key__endswith="/", size=0)
    known = has_row() | is_rendition() | is_on_its_way() | is_reserved() | folder
    return present(bucket, scan).filter(~known)


def _object(row: InventoryObject) -> Seen:
    evidence = {
        "etag": row.etag,
        "size": row.size,
        "modified": row.modified.isoformat(),
        "storage_class": row.storage_class,
    }
    return Seen(key=row.key, evidence=evidence)


def _of_known_uploads(batch: Sequence[InventoryObject]) -> set[str]:
    """What the Lambda made of uploads by the API that we know."""
    made = {row.key: UUID(match[1]) for row in batch if (match := _BY_LAMBDA.fullmatch(row.key))}
    known = set(Upload.objects.filter(uuid__in=made.values()).values_list("uuid", flat=True))
    return {key for key, uuid in made.items() if uuid in known}


def _of_known_originals(batch: Sequence[InventoryObject], bucket: Bucket) -> set[str]:
    """What a job is about to write down, or will meet when it makes the rendition: the original is as it was then."""
    parsed = {row.key: match for row in batch if (match := _VERSIONED.fullmatch(row.key))}
    named = {row.key for row in batch} | {match["key"] for match in parsed.values()}
    originals = Image.objects.filter(bucket__renditions_bucket=bucket, key__in=named)
    sources = {(key, etag[:ETAG]) for key, etag in originals.values_list("key", "etag")}
    thumbnails = {key for key, _etag in sources if not is_for_renditions(key)}
    return thumbnails | {key for key, match in parsed.items() if (match["key"], match["etag"]) in sources}


def _of_long_originals(batch: Sequence[InventoryObject], bucket: Bucket) -> set[str]:
    """The same, of originals whose renditions cannot have their whole key. All of these are looked through."""
    parsed = {row.key: match for row in batch if (match := _SHORTENED.fullmatch(row.key))}
    if not parsed:
        return set()
    long = Image.objects.alias(length=Length("key")).filter(bucket__renditions_bucket=bucket, length__gt=LONG)
    sources = {(keys.digits_of(key), etag[:ETAG]) for key, etag in long.values_list("key", "etag").iterator()}
    return {key for key, match in parsed.items() if (match["digits"], match["etag"]) in sources}


def _stale_uploads(bucket: Bucket) -> Check:
    def read(batch: Sequence[Upload]) -> list[Seen]:
        return [
            Seen(
                key=row.key,
                evidence={
                    "channel": row.channel,
                    "created": row.created_at.isoformat(),
                    "expires": row.expires_at.isoformat() if row.expires_at else "",
                    "tries": row.tries,
                    "error": row.error,
                },
                about={"upload_id": row.pk},
            )
            for row in batch
        ]

    before = timezone.now() - STALE
    rows = Upload.objects.filter(
        Q(expires_at=None) | Q(expires_at__lt=before),
        bucket=bucket,
        status=Upload.Status.CREATED,
        created_at__lt=before,
    )
    return Check(kind=Finding.Kind.STALE_UPLOAD, rows=rows, read=read)
