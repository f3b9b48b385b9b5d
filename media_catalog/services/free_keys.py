"""Keys that nobody has, for files that browsers send: a form replaces what it finds under its key."""

import contextlib
from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction

from media_catalog.exceptions import AwsConflict
from media_catalog.models import Bucket, Image, Leftover, StoredFile, TrashedObject, Upload

from . import keys

TRIES = 3  # against uploads that take the same keys at the same moment


def save(uploads: Sequence[Upload], wanted: Sequence[str]) -> list[Upload]:
    """Save uploads to one bucket, each under the key that it wants, or with a suffix where the catalogue has that.

    Taken: by an image of the catalogue, by an open upload, by an object that is about to be deleted, or by one on its
    way to or from the trash. What the catalogue does not know is not seen: against that, wanted keys have random digits
    (`keys.own_name`). Raises AwsConflict when others were faster each time.
    """
    for _try in range(TRIES):
        _choose(uploads, wanted)
        with contextlib.suppress(IntegrityError), transaction.atomic():
            saved = Upload.objects.bulk_create(uploads)
            # Asked after the save: from then on nobody else can complete an upload under these keys.
            if not _catalogued(saved[0].bucket, [upload.key for upload in saved]):
                return saved
            transaction.set_rollback(True)
    raise AwsConflict(", ".join(wanted))


def _choose(uploads: Sequence[Upload], wanted: Sequence[str]) -> None:
    choices = [list(keys.candidates(key)) for key in wanted]
    taken = _taken(uploads[0].bucket, (key for keys_of_one in choices for key in keys_of_one))
    for upload, keys_of_one in zip(uploads, choices, strict=True):
        free = [key for key in keys_of_one if key not in taken]
        if not free:
            raise AwsConflict(keys_of_one[0])
        upload.pk, upload.key = None, free[0]  # an earlier try may have left a primary key
        taken.add(upload.key)


def _taken(bucket: Bucket, candidates: Iterable[str]) -> set[str]:
    candidates = list(candidates)
    opened = Upload.objects.filter(bucket=bucket, key__in=candidates, status=Upload.Status.CREATED)
    leftovers = Leftover.objects.filter(bucket=bucket, key__in=candidates)
    moving = TrashedObject.objects.holding(bucket, candidates)
    return (
        _catalogued(bucket, candidates)
        | set(opened.values_list("key", flat=True))
        | set(leftovers.values_list("key", flat=True))
        | {key for row in moving for key in (row.key, row.restore_key)}
    )


def _catalogued(bucket: Bucket, candidates: Iterable[str]) -> set[str]:
    candidates = list(candidates)
    return {
        key
        for kind in (Image, StoredFile)
        for key in kind.objects.filter(bucket=bucket, key__in=candidates).values_list("key", flat=True)
    }
