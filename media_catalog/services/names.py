"""Names that are unique in their bucket, where it asks for that. The database decides; here it is asked first."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.db.models.functions import Length

from media_catalog.exceptions import ObjectRefused
from media_catalog.models import Bucket, Image, StoredFile
from media_catalog.models.buckets import LONGEST_UNIQUE_NAME

KINDS: tuple[type[Image] | type[StoredFile], ...] = (Image, StoredFile)


def check(bucket: Bucket, name: str, kind: type[Image] | type[StoredFile], *, but: int | None = None) -> None:
    """Raise ObjectRefused for a name that the bucket does not take; `but` is the row that has it, or is to have it."""
    if not bucket.unique_names:
        return
    if not name:
        raise ObjectRefused("name_empty")
    if len(name) > LONGEST_UNIQUE_NAME:
        raise ObjectRefused("name_too_long")
    if kind.objects.filter(bucket=bucket, name=name).exclude(pk=but or 0).exists():
        raise ObjectRefused("name_taken")


def free(bucket: Bucket, wanted: str, kind: type[Image] | type[StoredFile]) -> str:
    """The wanted name, or where the bucket has unique names and that one is taken, with a number after it."""
    if not bucket.unique_names:
        return wanted
    taken = kind.objects.filter(bucket=bucket)
    return next(name for name in _numbered(wanted) if not taken.filter(name=name).exists())


def are_unique(bucket: Bucket) -> bool:
    """Whether the names in the bucket are such that it could ask for it."""
    for kind in KINDS:
        rows = kind.objects.filter(bucket=bucket).order_by()
        long = rows.annotate(length=Length("name")).filter(length__gt=LONGEST_UNIQUE_NAME)
        if long.exists() or rows.values("name").annotate(count=Count("pk")).filter(count__gt=1).exists():
            return False
    return True


def set_unique(bucket: Bucket, *, unique: bool) -> None:
    """Have the bucket's names be unique or not; those in the trash follow when they come back. No request.

    Raises ObjectRefused (names_not_unique), and changes nothing, when two have the same name or one is too long.
    """
    try:
        with transaction.atomic():
            Bucket.objects.filter(pk=bucket.pk).update(unique_names=unique)
            for kind in KINDS:
                kind.objects.filter(~Q(unique_name=unique), bucket=bucket).update(unique_name=unique)
    except IntegrityError as error:
        raise ObjectRefused("names_not_unique") from error
    bucket.unique_names = unique


def bring_back(row: Image | StoredFile, **columns: Any) -> None:
    """Have a row be out of the trash, under a name that its bucket takes by now. For a transaction.

    Raises IntegrityError when its key or its name was taken at that moment.
    """
    kind = type(row)
    bucket = Bucket.objects.select_for_update(no_key=True).get(pk=row.bucket_id)  # against `set_unique`
    columns |= {"name": free(bucket, row.name, kind), "unique_name": bucket.unique_names}
    kind.everything.filter(pk=row.pk).update(trashed_at=None, **columns)


def _numbered(wanted: str) -> Iterator[str]:
    yield wanted[:LONGEST_UNIQUE_NAME]
    for number in count(2):
        ending = f" ({number})"
        yield wanted[: LONGEST_UNIQUE_NAME - len(ending)] + ending
