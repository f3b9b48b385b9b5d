"""Bringing objects back from the trash: a COPY to where they were, or beside it when the key is taken, and a DELETE."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound, BackofficeError, ObjectRefused
from media_catalog.models import Analysis, Leftover, TrashedObject, Upload
from media_catalog.models.trash import TrashedQuerySet, first_try

from . import keys, names, object_keys, removal, retention
from .sentences import sentence
from .trash import OWN_FAULTS, PASSING, acting
from .turns import TURN_SECONDS

AT_ONCE = 1000  # looked up for a turn
TRIES = 5  # against those who take the same name at the same moment
NAMED = 5  # told of those that came back under another key, or another name
_UNFINISHED = (TrashedObject.State.TRASHED, TrashedObject.State.RESTORING)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Of a run: how many came back, and some of them under another key or name (old, new); `done` at its end.

    `exempt` from the retention rule of their buckets, which is in force.
    """

    restored: int
    exempt: int
    renamed: list[tuple[str, str]]
    called: list[tuple[str, str]]
    done: bool


def restore(*, pk: int) -> str:
    """Bring an object back and return its key. Images and files are in the catalogue again, as they were.

    Where its bucket has unique names and another has its name, it gets a number. Renditions are the caller's to have
    made: the row stays as RESTORED until then. Raises ObjectRefused when it is not in the trash (any more). After a
    fault that may pass a repeat or the sweep goes on.
    """
    row = TrashedObject.objects.select_related("bucket", "image", "file").filter(pk=pk).first()
    if row is None or row.state not in _UNFINISHED:
        raise ObjectRefused("not_in_trash")
    try:
        for key in _candidates(row):
            etag = _bring(row, key)
            if etag and _settle(row, key, etag):
                return key
    except PASSING as error:
        TrashedObject.objects.filter(pk=row.pk).update(problem=sentence(error))
        raise
    except BackofficeError as error:
        _give_up(row, error)
        raise
    conflict = AwsConflict(row.key)
    _give_up(row, conflict)
    raise conflict


def restore_run(run: str, *, seconds: float = TURN_SECONDS) -> Turn:
    """Restore what is marked with the run, for one turn of so long.

    What cannot come back for a reason of its own stays in the trash, with the problem and without the mark. Any other
    fault ends the turn.
    """
    until = time.monotonic() + seconds
    for pk in list(left(run).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        try:
            restore(pk=pk)
        except OWN_FAULTS as error:
            TrashedObject.objects.filter(pk=pk).update(problem=sentence(error), run="")
        if time.monotonic() > until:
            break
    return told(run)


def left(run: str) -> TrashedQuerySet:
    """What is marked with the run and has not come back."""
    return TrashedObject.objects.filter(run=run, state__in=_UNFINISHED)


def told(run: str) -> Turn:
    """How far the run has come. Five queries."""
    rows = TrashedObject.objects.filter(run=run)
    restored = rows.filter(state=TrashedObject.State.RESTORED)
    renamed = restored.exclude(restore_key=F("key")).order_by("pk").values_list("key", "restore_key")[:NAMED]
    called = restored.annotate(now=Coalesce("image__name", "file__name")).filter(now__isnull=False)
    return Turn(
        restored=restored.count(),
        exempt=_ruled(restored).filter(Q(image__exempt=True) | Q(file__exempt=True)).count(),
        renamed=list(renamed),
        called=list(called.exclude(now=F("name")).order_by("pk").values_list("name", "now")[:NAMED]),
        done=not left(run).exists(),
    )


def ruled(rows: TrashedQuerySet) -> bool:
    """Whether any of them comes back under a retention rule that is in force."""
    return _ruled(rows).exists()


def changed_words(turn: Turn) -> list[str]:
    """A sentence for each that is not what it was."""
    exempt = ngettext(
        "%(count)d is exempt from the retention rule of its bucket, so that it stays.",
        "%(count)d are exempt from the retention rules of their buckets, so that they stay.",
        turn.exempt,
    )
    keys_taken, names_taken = (
        [{"old": object_keys.visible(old), "new": object_keys.visible(new)} for old, new in pairs]
        for pairs in (turn.renamed, turn.called)
    )
    return [
        *(_("“%(old)s” is “%(new)s” now: its key was taken.") % facts for facts in keys_taken),
        *(_("“%(old)s” is called “%(new)s” now: names in its bucket are unique.") % facts for facts in names_taken),
        *([exempt % {"count": turn.exempt}] if turn.exempt else []),
    ]


def _candidates(row: TrashedObject) -> Iterator[str]:
    """Keys that it may come back to, the one first that an earlier run has begun with."""
    if row.state == TrashedObject.State.RESTORING:
        yield row.restore_key
    for key in keys.beside(row.key):
        if key != row.restore_key or row.state != TrashedObject.State.RESTORING:
            yield key


def _bring(row: TrashedObject, key: str) -> str:
    """Copy the object to the key and return its ETag there; empty when the key is another's."""
    if not _is_free(row, key):
        return ""
    name = row.bucket.name
    there = s3.head_object(name, key)
    if there:
        # Ours when an earlier run has brought it and died. With keys of KMS no two ETags are alike: then it is taken
        # for another's, and the object comes back beside it.
        begun = row.state == TrashedObject.State.RESTORING and key == row.restore_key
        return there.etag if begun and there.etag == row.etag else ""
    if not _take(row, key):
        raise ObjectRefused("not_in_trash")
    try:
        return s3_objects.copy_object(name, row.trash_key, to_bucket=name, to_key=key)
    except AwsConflict:
        return ""
    except AwsNotFound as error:
        if s3.bucket_exists(name):
            raise ObjectRefused("not_in_trash") from error
        raise


def _is_free(row: TrashedObject, key: str) -> bool:
    """Whether the catalogue has no other use for the key."""
    place = {"bucket": row.bucket_id, "key": key}
    return not (
        object_keys.is_reserved(key)
        or any(kind.objects.filter(**place).exists() for kind in names.KINDS)
        or Upload.objects.filter(**place, status=Upload.Status.CREATED).exists()
        or Leftover.objects.filter(**place).exists()
        or TrashedObject.objects.holding(row.bucket_id, [key]).exclude(pk=row.pk).exists()
    )


def _take(row: TrashedObject, key: str) -> bool:
    """Hold the key while the object is on its way; False when somebody else has purged or restored it."""
    held = TrashedObject.objects.filter(pk=row.pk, state__in=_UNFINISHED)
    return bool(held.update(state=TrashedObject.State.RESTORING, restore_key=key, next_try_at=first_try()))


def _settle(row: TrashedObject, key: str, etag: str) -> bool:
    """Settle the catalogue and the trash; False when the catalogue has another object under the key by now.

    Somebody may take the very name that it was to come back under: then it is settled once more, under the next.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            leftover = _come_back(row, key, etag)
            break
        except IntegrityError:
            if not _is_free(row, key):
                return False
            if not tries_left:
                raise
    if leftover:
        removal.discard_or_log(leftover=leftover)
    return True


def _come_back(row: TrashedObject, key: str, etag: str) -> Leftover | None:
    """What is superfluous: the object in the trash; when another run was faster ours, if it is not that run's too."""
    with transaction.atomic():
        ours = TrashedObject.objects.filter(pk=row.pk, state=TrashedObject.State.RESTORING)
        if not ours.update(
            state=TrashedObject.State.RESTORED,
            restore_key=key,
            problem="",
            job=acting().job,
            next_try_at=first_try(),
        ):
            theirs = TrashedObject.objects.filter(pk=row.pk, restore_key=key)
            if theirs.exists() or not _is_free(row, key):
                return None
            return Leftover.objects.create(bucket=row.bucket, key=key)
        if row.image:
            # Made of the same bytes, whatever S3 calls them now.
            Analysis.objects.filter(image=row.image, source_etag=row.image.etag).update(source_etag=etag)
        if row.row:
            names.bring_back(row.row, key=key, etag=etag)
            retention.spare(row.row)
        return Leftover.objects.create(bucket=row.bucket, key=row.trash_key)


def _ruled(rows: TrashedQuerySet) -> TrashedQuerySet:
    """Images and files of buckets with a rule that is in force."""
    return rows.filter(Q(image__isnull=False) | Q(file__isnull=False), bucket__retention_on=True)


def _give_up(row: TrashedObject, error: BackofficeError) -> None:
    """Back to how it was, where it is certain that nothing was copied: else a repeat finds out."""
    held = TrashedObject.objects.filter(pk=row.pk, state__in=_UNFINISHED)
    if row.state == TrashedObject.State.TRASHED or isinstance(error, OWN_FAULTS):
        held.update(state=TrashedObject.State.TRASHED, restore_key="", problem=sentence(error))
    else:
        held.update(problem=sentence(error))
