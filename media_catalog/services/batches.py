"""Many objects of a bucket deleted together: by the thousand at S3, with their renditions, objects before rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from django.db import transaction

from media_catalog.aws import objects
from media_catalog.models import Bucket, Image, Leftover, Rendition, StoredFile, TrashedObject, Upload

from . import inventory, previews

Row = Image | StoredFile
BATCH = objects.MAX_DELETE  # rows


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """`rows` that are gone, with their `objects` (renditions too) and `bytes` of originals.

    `failed`: S3's error code for each row (id) that stays because S3 did not delete one of its objects.
    """

    rows: int = 0
    objects: int = 0
    bytes: int = 0
    failed: dict[int, str] = field(default_factory=dict)


def delete(bucket: Bucket, rows: Sequence[Row]) -> Deleted:
    """Delete rows of one kind in this bucket, up to BATCH, and all their objects.

    Requests for the renditions in each bucket, then for the rows' own: as `turns.deletions_of` counts them.

    A run that is cut off leaves no object without a row: the next one goes on. Renditions that a job saves meanwhile
    become leftovers. Raises AwsNotFound when a bucket is gone; then the rows stay.
    """
    failed, renditions = _delete_renditions([row for row in rows if isinstance(row, Image)])
    whole = [row for row in rows if row.pk not in failed]
    kept = _delete_keys(bucket.name, [row.key for row in whole])
    failed |= {row.pk: kept[row.key] for row in whole if row.key in kept}
    gone = [row for row in whole if row.pk not in failed]
    inventory.forget(bucket, [row.key for row in gone])
    delete_rows(gone)
    return Deleted(rows=len(gone), objects=len(gone) + renditions, bytes=sum(row.size for row in gone), failed=failed)


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


def _delete_renditions(images: Sequence[Image]) -> tuple[dict[int, str], int]:
    """Objects and rows of the images' renditions: what failed, by image, and how many objects went."""
    renditions = list(Rendition.objects.filter(image__in=images).select_related("bucket").order_by("bucket"))
    failed: dict[int, str] = {}
    gone: list[Rendition] = []
    for place, group in groupby(renditions, key=lambda rendition: rendition.bucket.name):
        held = list(group)
        kept = _delete_keys(place, [rendition.key for rendition in held])
        failed |= {rendition.image_id: kept[rendition.key] for rendition in held if rendition.key in kept}
        deleted = [rendition for rendition in held if rendition.key not in kept]
        inventory.forget(held[0].bucket_id, [rendition.key for rendition in deleted])
        gone += deleted
    delete_rendition_rows(gone)
    return failed, len(gone)


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
