"""Moving several objects to the trash, in turns: those of a bucket that the catalogue does not know, or its files."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db.models import Count
from django.utils.translation import ngettext

from media_catalog.models import Bucket, Rendition, RequestClass, StoredFile, TrashedObject
from media_catalog.models.trash import TrashedQuerySet

from . import trash
from .names import KINDS
from .object_keys import is_reserved, visible
from .sentences import sentence
from .turns import AT_ONCE_BYTES, TURN_SECONDS

Item = TypeVar("Item")
AT_ONCE = 10  # in the page's own request, none of them large; more are a job's


@dataclass(frozen=True, kw_only=True)
class Moved:
    """`count` in the trash by all turns of the run; `failed`: (what, why) of this turn; `done`: all had theirs."""

    count: int
    failed: list[tuple[str, str]]
    done: bool


def move_objects(*, bucket: Bucket, keys: Sequence[str], run: str, settled: set[str], at_once: bool = False) -> Moved:
    """Move these to the trash, for one turn of the run. Renditions are deleted instead, and count as not made.

    `settled` had their turn, and get none again whatever became of them since: this turn adds its own. What cannot be
    moved for a reason of its own does not hold up the others; any other fault is raised. `at_once`, for a page that is
    waited for: the turn is short, and leaves out what is large, after the HEAD that told so.
    """
    at_most = {"at_most": AT_ONCE_BYTES} if at_once else {}

    def move(key: str) -> TrashedObject | None:
        return trash.move_object(bucket=bucket, key=key, run=run, **at_most)

    settled |= set(_moved(run).values_list("key", flat=True))
    return _turn(keys, move, settled, run=run, words=visible, at_once=at_once)


def is_job_of_files(ids: Collection[int]) -> bool:
    """Whether these are too many, or one of them is too large, for a page that is waited for."""
    return len(ids) > AT_ONCE or StoredFile.objects.filter(pk__in=ids, size__gt=AT_ONCE_BYTES).exists()


def move_files(*, ids: Sequence[int], run: str, settled: set[int], at_once: bool = False) -> Moved:
    """The same with files of the catalogue, of any buckets. Those that S3 has no more lose their row."""
    settled |= set(_moved(run).exclude(file=None).values_list("file_id", flat=True))
    return _turn(ids, lambda pk: _move_file(pk, run), settled, run=run, words=_name, at_once=at_once)


def cost_of_objects(bucket: Bucket, keys: Collection[str]) -> dict[str, int]:
    """Requests of `move_objects`: of a rendition the DELETE alone, none of what is refused. Four queries."""
    if Bucket.objects.filter(pk=bucket.pk, legal_hold=True).exists():
        return {}
    movable = {key for key in keys if key and "\x00" not in key and not is_reserved(key)}
    for kind in KINDS:
        movable -= set(kind.objects.filter(bucket=bucket, key__in=movable).values_list("key", flat=True))
    renditions = set(Rendition.objects.filter(bucket=bucket, key__in=movable).values_list("key", flat=True))
    requests = Counter(trash.cost_of_moving(len(movable - renditions)))
    requests[RequestClass.FREE.value] += len(renditions)
    return requests


def cost_of_files(ids: Collection[int]) -> dict[str, int]:
    """Requests of `move_files`: a COPY and a DELETE for each. Of one known to be missing the COPY, and a HEAD of its
    bucket.
    """
    files = StoredFile.objects.filter(pk__in=ids, bucket__legal_hold=False)
    count, lost = files.aggregate(count=Count("pk"), lost=Count("missing_since")).values()
    copies = {RequestClass.S3_TIER1.value: count, RequestClass.FREE.value: count - lost}
    return copies | ({RequestClass.S3_TIER2.value: lost} if lost else {})


def lost_files(ids: Sequence[int]) -> str:
    """How many of these the catalogue has no more, in words; empty when there are all."""
    count = len(ids) - StoredFile.everything.filter(pk__in=ids).count()
    said = ngettext(
        "S3 had no object of %(count)d any more: it is out of the catalogue for good.",
        "S3 had no objects of %(count)d any more: they are out of the catalogue for good.",
        count,
    )
    return said % {"count": count} if count else ""


def _turn(
    items: Sequence[Item],
    move: Callable[[Item], TrashedObject | None],
    settled: set[Item],
    *,
    run: str,
    words: Callable[[Item], str],
    at_once: bool,
) -> Moved:
    until = time.monotonic() + (settings.PAGE_SECONDS if at_once else TURN_SECONDS)
    failed, got_on, done = [], at_once, True
    rows = TrashedObject.objects.filter(run=run)
    waiting = [item for item in items if item not in settled]
    for number, item in enumerate(waiting, start=1):
        try:
            got_on |= move(item) is not None
            settled.add(item)
        except trash.TakesLong:
            done = False
        except trash.OWN_FAULTS as error:
            failed.append((words(item), sentence(error)))
        # What fails has its turn again and again: each turn gets past it.
        if number < len(waiting) and got_on and time.monotonic() > until:
            return Moved(count=rows.count(), failed=failed, done=False)
    return Moved(count=rows.count(), failed=failed, done=done)


def _moved(run: str) -> TrashedQuerySet:
    """By turns that died before they could say so."""
    return TrashedObject.objects.filter(run=run).exclude(state=TrashedObject.State.MOVING)


def _move_file(pk: int, run: str) -> TrashedObject | None:
    file = StoredFile.everything.filter(pk=pk).first()
    return trash.move_file(file=file, run=run) if file else None


def _name(pk: int) -> str:
    return visible(StoredFile.everything.values_list("name", flat=True).get(pk=pk))
