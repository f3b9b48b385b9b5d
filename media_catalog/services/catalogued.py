"""Which objects of the inventory the catalogue knows: as conditions on their rows."""

from functools import reduce
from operator import and_
from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from media_catalog.models import Bucket, Leftover, Rendition, StoredObject, TrashedObject, Upload

from .object_keys import passing_prefixes


def tables() -> list[type[StoredObject]]:
    """The kinds of object that the catalogue has rows for."""
    models = apps.get_app_config("media_catalog").get_models()
    return [model for model in models if issubclass(model, StoredObject)]


def has_row() -> Q:
    """An image or a file of the catalogue. One in the trash has left its key."""
    found = Q()
    for table in tables():
        found |= Q(_same_place(table._default_manager.all()))
    return found


def is_rendition() -> Q:
    return Q(_same_place(Rendition.objects.all()))


def is_on_its_way() -> Q:
    """Somebody is uploading it, about to delete it, or moving it to or from the trash."""
    opened = Upload.objects.filter(status=Upload.Status.CREATED)
    going = TrashedObject.objects.filter(state=TrashedObject.State.MOVING)
    coming = TrashedObject.objects.filter(state=TrashedObject.State.RESTORING)
    rows = (opened, Leftover.objects.all(), going)
    found = Q(Exists(coming.filter(bucket=OuterRef("bucket"), restore_key=OuterRef("key"))))
    for each in rows:
        found |= Q(_same_place(each))
    return found


def is_reserved() -> Q:
    """In a folder of our own. Not `startswith`, which SQLite compares without regard to case."""
    found = Q()
    for prefix in passing_prefixes():
        found |= Q(begins_with(prefix))
    return found


def is_known() -> Q:
    """By a row of any kind, or as one of our own."""
    return has_row() | is_rendition() | is_on_its_way() | is_reserved()


def is_unknown() -> Q:
    """The contrary, for queries about all of a bucket: of conditions that are denied one by one PostgreSQL can make
    joins; several in one it asks for each row.
    """
    return reduce(and_, (~Q(condition) for condition in is_known().children))


def begins_with(prefix: str) -> Exact:
    return Exact(Left("key", len(prefix)), Value(prefix))


def is_kept(bucket: Bucket) -> bool:
    """Whether the catalogue means to know all of the bucket: one for originals, or one that it has objects in."""
    if bucket.role in (Bucket.Role.RENDITIONS, Bucket.Role.STATIC):
        return False
    return bucket.role == Bucket.Role.ORIGINALS or any(
        table._base_manager.filter(bucket=bucket).exists() for table in tables()
    )


def _same_place(rows: QuerySet[Any]) -> Exists:
    return Exists(rows.filter(bucket=OuterRef("bucket"), key=OuterRef("key")))
