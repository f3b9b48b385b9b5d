"""Which objects of the inventory the catalogue knows: as conditions on their rows."""

from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from media_catalog.models import Bucket, Leftover, Rendition, StoredObject, Upload

from .object_keys import reserved_prefixes


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
    """Somebody is uploading it, or about to delete it."""
    opened = Upload.objects.filter(status=Upload.Status.CREATED)
    return Q(_same_place(opened)) | Q(_same_place(Leftover.objects.all()))


def is_reserved() -> Q:
    """In a folder of our own. Not `startswith`, which SQLite compares without regard to case."""
    found = Q()
    for prefix in reserved_prefixes():
        found |= Q(begins_with(prefix))
    return found


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
