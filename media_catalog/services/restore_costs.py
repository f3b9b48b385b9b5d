"""What restoring costs: the requests that services/trash_restore.py sends while all is as the last inventory, and the
catalogue, have it.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from media_catalog.models import InventoryObject, Leftover, RequestClass, TrashedObject, Upload
from media_catalog.models.trash import TrashedQuerySet

from . import keys, names, object_keys
from .catalogued import has_row, is_on_its_way

Place = tuple[int, str]  # bucket (id) and key


def cost(rows: TrashedQuerySet) -> dict[str, int]:
    """Requests to restore these: a HEAD, a COPY and a DELETE for each, and one HEAD more for each key that it finds
    taken at S3. A key that the catalogue has a use for is not asked for.
    """
    waiting = _with_taken(rows)
    count = len(waiting)
    return {
        RequestClass.S3_TIER1.value: count,
        RequestClass.S3_TIER2.value: count + _looks_in_vain(_contested(waiting)),
        RequestClass.FREE.value: count,
    }


def _with_taken(rows: TrashedQuerySet) -> Sequence[Any]:
    """In the order of the job; `taken`: something is at the key, or on its way there."""
    there = InventoryObject.objects.filter(bucket=OuterRef("bucket"), key=OuterRef("key"), missing_since=None)
    taken = Q(Exists(there)) | has_row() | is_on_its_way()
    found = rows.order_by("pk").annotate(taken=ExpressionWrapper(taken, output_field=BooleanField()))
    return list(found.values_list("bucket_id", "key", "image_id", "file_id", "taken", named=True))


def _contested(waiting: Sequence[Any]) -> Sequence[Any]:
    """Those of which the key is taken, or wanted by several of them."""
    times = Counter((row.bucket_id, row.key) for row in waiting)
    return [row for row in waiting if row.taken or times[row.bucket_id, row.key] > 1]


def _looks_in_vain(contested: Sequence[Any]) -> int:
    """HEADs that find a key taken, by the inventory or by one of those before. Seven queries."""
    places = {(row.bucket_id, key) for row in contested for key in keys.beside(row.key)}
    known = _known(places)
    there = _among(places, InventoryObject.objects.filter(missing_since=None))
    count = 0
    for row in contested:
        for key in keys.beside(row.key):
            place = (row.bucket_id, key)
            if place in known or object_keys.is_reserved(key):
                continue
            if place not in there:
                (known if row.image_id or row.file_id else there).add(place)
                break
            count += 1
    return count


def _known(places: Collection[Place]) -> set[Place]:
    """Those that the catalogue has a use for."""
    moving = TrashedObject.objects.filter(state=TrashedObject.State.MOVING)
    coming = TrashedObject.objects.filter(state=TrashedObject.State.RESTORING)
    rows = (
        *(kind.objects.all() for kind in names.KINDS),
        Upload.objects.filter(status=Upload.Status.CREATED),
        Leftover.objects.all(),
        moving,
    )
    return _among(places, coming, "restore_key").union(*(_among(places, each) for each in rows))


def _among(places: Collection[Place], rows: QuerySet[Any], key: str = "key") -> set[Place]:
    buckets, wanted = {bucket for bucket, _key in places}, {key for _bucket, key in places}
    found = rows.filter(**{"bucket__in": buckets, f"{key}__in": wanted})
    return set(found.order_by().values_list("bucket", key)) & set(places)
