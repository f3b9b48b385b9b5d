"""What the catalogue and the inventory of a bucket do not agree about, of each kind. Queries only, no request.

Rows are named by their numbers, and what is asked of others stands beside them, not among the conditions: so no planner
joins whole tables, or reads a whole bucket for a few keys, because its statistics are older than the bucket's rows.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, ExpressionWrapper, Model, OuterRef, Q, QuerySet, Subquery, Value
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
    """Rows (with `bucket` and `key`) of all buckets that are a discrepancy of a kind unless they are `in_order`, which
    is asked of each; and what is left of a batch at a closer look.
    """

    kind: Finding.Kind
    rows: QuerySet[Any]
    in_order: Any
    read: Callable[[Sequence[Any]], list[Seen]]

    @property
    def name(self) -> str:
        """Its own in a bucket."""
        return f"{self.kind} {self.rows.model._meta.model_name}"

    def suspects(self, rows: Collection[int]) -> list[Any]:
        """Of these (ids), those that are not in order. `noted` is the id of their live finding, or None. One query."""
        live = Finding.objects.live().filter(kind=self.kind, bucket=OuterRef("bucket"), key=OuterRef("key"))
        found = self.rows.filter(pk__in=rows).annotate(
            in_order=ExpressionWrapper(self.in_order, output_field=BooleanField()), noted=first_of(live)
        )
        return [row for row in found if not row.in_order]


def checks(bucket: Bucket, scan: Scan) -> list[Check]:
    """All that is looked for in the bucket, by a scan that has come to its end.

    Rows younger than the scan are left alone: it may have passed their keys before.
    """
    found = [_rows_without_object(table, scan) for table in tables()]
    found.append(_renditions_without_object(scan))
    if is_kept(bucket):
        found.append(_objects_without_row(scan))
    if bucket.role == Bucket.Role.RENDITIONS:
        found.append(_renditions_without_original(bucket, scan))
    found.append(_stale_uploads())
    return found


def is_present(scan: Scan) -> Exists:
    """Whether this scan, or a later one that is under way, has seen the object of a row."""
    return Exists(_present(scan).filter(bucket=OuterRef("bucket"), key=OuterRef("key")))


def at_the_places(rows: QuerySet[Any], findings: Collection[int]) -> set[int]:
    """The rows (ids) with the buckets and keys of these findings, one of each. One query."""
    same = first_of(rows.filter(bucket=OuterRef("bucket"), key=OuterRef("key")))
    found = Finding.objects.filter(pk__in=findings).annotate(row=same).values_list("row", flat=True)
    return {pk for pk in found if pk is not None}


def first_of(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by().values("pk")[:1])


def _present(scan: Scan) -> QuerySet[InventoryObject]:
    return InventoryObject.objects.filter(scan__gte=scan.pk, missing_since=None)


def _rows_without_object(table: type[Model], scan: Scan) -> Check:
    def read(batch: Sequence[Any]) -> list[Seen]:
        return [
            Seen(
                key=row.key,
                evidence={"etag": row.etag, "size": row.size, "row": table._meta.model_name, "id": row.pk},
                about={"image_id": row.pk} if table is Image else {},
            )
            for row in batch
        ]

    rows = table._default_manager.filter(created_at__lt=scan.started_at)
    return Check(kind=Finding.Kind.ROW_WITHOUT_OBJECT, rows=rows, in_order=is_present(scan), read=read)


def _renditions_without_object(scan: Scan) -> Check:
    def read(batch: Sequence[Rendition]) -> list[Seen]:
        return [
            Seen(
                key=row.key,
                evidence={"etag": row.etag, "size": row.size, "row": "rendition", "id": row.pk},
                about={"rendition_id": row.pk, "image_id": row.image_id},
            )
            for row in batch
        ]

    rows = Rendition.objects.filter(image__trashed_at=None, created_at__lt=scan.started_at)
    return Check(kind=Finding.Kind.ROW_WITHOUT_OBJECT, rows=rows, in_order=is_present(scan), read=read)


def _objects_without_row(scan: Scan) -> Check:
    def read(batch: Sequence[InventoryObject]) -> list[Seen]:
        return [_object(row) for row in batch]

    return Check(kind=Finding.Kind.OBJECT_WITHOUT_ROW, rows=_present(scan), in_order=_is_known(), read=read)


def _renditions_without_original(bucket: Bucket, scan: Scan) -> Check:
    def read(batch: Sequence[InventoryObject]) -> list[Seen]:
        ours = _of_known_uploads(batch) | _of_known_originals(batch, bucket) | _of_long_originals(batch, bucket)
        return [_object(row) for row in batch if row.key not in ours]

    kind = Finding.Kind.RENDITION_WITHOUT_ORIGINAL
    return Check(kind=kind, rows=_present(scan), in_order=_is_known(), read=read)


def _is_known() -> Q:
    """Whether a row names the object. Folders, which some tools write as empty objects, need none."""
    folder = Q(key__endswith="/", size=0)
    return has_row() | is_rendition() | is_on_its_way() | is_reserved() | folder


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


def _stale_uploads() -> Check:
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
        Q(expires_at=None) | Q(expires_at__lt=before), status=Upload.Status.CREATED, created_at__lt=before
    )
    return Check(kind=Finding.Kind.STALE_UPLOAD, rows=rows, in_order=Value(False), read=read)
