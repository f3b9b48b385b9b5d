"""Many objects of a bucket deleted together: by the thousand at S3, objects before rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import transaction

from media_catalog.aws import objects
from media_catalog.models import Bucket, Image, Leftover, Rendition, RequestClass, StoredFile, TrashedObject, Upload

from . import inventory, previews
from .turns import deletions

Row = Image | StoredFile
Kind = type[Image] | type[StoredFile]
BATCH = objects.MAX_DELETE  # rows, and keys of a request


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """`rows` that are gone, `objects` of rows or renditions, and `bytes` of originals.

    `failed`: S3's error code for each row (id) that stays because S3 did not delete one of its objects.
    """

    rows: int = 0
    objects: int = 0
    bytes: int = 0
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Ids of what one request deletes: of `renditions` in one bucket, or of rows."""

    renditions: bool
    ids: Sequence[int]


def choose(kind: Kind, rows: Sequence[Any], *, rest: bool) -> Chosen | None:
    """What goes next of these rows (`pk`, `key`) of one bucket: renditions in one bucket, or rows without any.

    As many as fill a request; with `rest`, when no more rows are to come, also fewer. None when that is nothing.
    """
    made: list[Any] = []
    if kind is Image and rows:
        found = Rendition.objects.filter(image__in=[row.pk for row in rows]).order_by("bucket", "image", "pk")
        made = list(found.values_list("pk", "image_id", "bucket_id", "key", named=True))
    unfinished = {rendition.image_id for rendition in made}
    places = [list(group) for _bucket, group in groupby(made, key=attrgetter("bucket_id"))]
    bare = [row for row in rows if row.pk not in unfinished]
    for last in (False, True) if rest else (False,):
        for place in places:
            if batch := _batch(place, last=last):
                return Chosen(renditions=True, ids=[each.pk for each in batch])
        if batch := _batch(bare, last=last):
            return Chosen(renditions=False, ids=[each.pk for each in batch])
    return None


def _batch(together: Sequence[Any], *, last: bool) -> Sequence[Any]:
    """The next of objects of one bucket. Those that go alone at S3 need not wait for others."""
    if alone := [each for each in together if objects.goes_alone(each.key)]:
        return alone[:BATCH]
    return together[:BATCH] if last or len(together) >= BATCH else []


def cost(*, together: int, alone: int) -> Counter[str]:
    """Requests for so many objects of one bucket, where `choose` has made the batches; `alone`: see `goes_alone`."""
    full, rest = divmod(together, BATCH)
    return deletions([BATCH] * full + [rest]) + Counter({RequestClass.FREE.value: alone})


def delete_renditions(ids: Sequence[int]) -> Deleted:
    """Delete renditions in one bucket, up to BATCH, objects before rows. Raises AwsNotFound when the bucket is gone."""
    batch = list(Rendition.objects.filter(pk__in=ids).select_related("bucket"))
    if not batch:
        return Deleted()
    place = batch[0].bucket
    kept = _delete_keys(place.name, [rendition.key for rendition in batch])
    gone = [rendition for rendition in batch if rendition.key not in kept]
    inventory.forget(place, [rendition.key for rendition in gone])
    delete_rendition_rows(gone)
    failed = {rendition.image_id: kept[rendition.key] for rendition in batch if rendition.key in kept}
    return Deleted(objects=len(gone), failed=failed)


def delete(bucket: Bucket, rows: Sequence[Row]) -> Deleted:
    """Delete rows of one kind in this bucket, up to BATCH, and their objects. Renditions of images went before.

    A run that is cut off leaves no object without a row: the next one goes on. Renditions that a job saves meanwhile
    become leftovers. Raises AwsNotFound when the bucket is gone; then the rows stay.
    """
    kept = _delete_keys(bucket.name, [row.key for row in rows])
    gone = [row for row in rows if row.key not in kept]
    inventory.forget(bucket, [row.key for row in gone])
    delete_rows(gone)
    failed = {row.pk: kept[row.key] for row in rows if row.key in kept}
    return Deleted(rows=len(gone), objects=len(gone), bytes=sum(row.size for row in gone), failed=failed)


def delete_rows(rows: Sequence[Row]) -> None:
    """The rows of objects that are gone. What may still come of renditions is left to the sweep of leftovers.

    What somebody has moved to the trash meanwhile stays there, and so does a row that has another object by now:
    moved elsewhere, or restored under another key.
    """
    if files := [row for row in rows if isinstance(row, StoredFile)]:
        _delete_file_rows(files)
    images = [row for row in rows if isinstance(row, Image)]
    if not images:
        return
    with transaction.atomic():
        # Saving a rendition locks the row too.
        locked = _unchanged(images)
        ids = [image.pk for image in locked]
        late = Rendition.objects.filter(image__in=ids).values_list("bucket", "key")
        leftovers = [*late, *_of_the_function(locked)]
        Leftover.objects.bulk_create(Leftover(bucket_id=bucket, key=key) for bucket, key in leftovers)
        Image.everything.filter(pk__in=ids).delete()


def delete_rendition_rows(gone: Sequence[Rendition]) -> None:
    """The rows and previews of renditions that are gone. Made anew meanwhile, one has an object again, and stays."""
    previews.forget_all(gone)
    now = dict(Rendition.objects.filter(pk__in=[row.pk for row in gone]).values_list("pk", "created_at"))
    unchanged = [row.pk for row in gone if now.get(row.pk) == row.created_at]
    Rendition.objects.filter(pk__in=unchanged).delete()


def _delete_file_rows(files: Sequence[StoredFile]) -> None:
    restored = TrashedObject.objects.filter(file__in=files, state=TrashedObject.State.RESTORED)
    restored.delete()  # nothing is to follow any more
    # delete() would ask for related rows a hundred at a time, and not look again what a row is by now.
    StoredFile.objects.filter(
        pk__in=[file.pk for file in files],
        bucket__in={file.bucket_id for file in files},
        key__in=[file.key for file in files],
        etag__in={file.etag for file in files},
    )._raw_delete(StoredFile.objects.db)


def _unchanged(images: Sequence[Image]) -> list[Image]:
    """Of these the ones that still have the object that they were loaded with, locked."""
    objects_then = {image.pk: (image.bucket_id, image.key, image.etag) for image in images}
    rows = Image.objects.get_queryset().select_for_update(of=("self",)).filter(pk__in=objects_then)
    now = rows.select_related("bucket").order_by("pk")
    return [image for image in now if objects_then[image.pk] == (image.bucket_id, image.key, image.etag)]


def reasons(failed: dict[int, str]) -> str:
    """“AccessDenied (3), InternalError (1)”."""
    counts = Counter(failed.values()).most_common()
    return ", ".join(f"{code} ({count})" for code, count in counts)


def _delete_keys(bucket: str, keys: Sequence[str]) -> dict[str, str]:
    """S3's error code for each key that it did not delete."""
    return objects.try_to_delete(bucket, [(key, "") for key in keys])


def _of_the_function(images: Sequence[Image]) -> list[tuple[int, str]]:
    """What the Lambda made of uploads by the API beside the renditions of our presets, as (bucket id, key)."""
    places = {(image.bucket_id, image.key): image.bucket.renditions_bucket_id for image in images}
    uploads = Upload.objects.filter(
        bucket__in={image.bucket_id for image in images}, key__in=[image.key for image in images]
    ).exclude(processed_key="")
    return [
        (place, made["key"])
        for upload in uploads
        if (place := places.get((upload.bucket_id, upload.key)))
        for made in (upload.outcome or {}).get("renditions", [])
    ]
