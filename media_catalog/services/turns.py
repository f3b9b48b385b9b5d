"""Long work in turns: each goes on where the last one ended."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from media_catalog.aws.objects import MAX_DELETE, goes_alone
from media_catalog.models import RequestClass

TURN_SECONDS = 20.0  # so that a cancelled job ends soon, and no turn reaches the end of its lease
AT_ONCE_BYTES = 16 * 1024**2  # a page moves no larger object within its own request: S3 may take more than a second


@dataclass(frozen=True, kw_only=True)
class Turn:
    """`count` so far, in all turns of the run; `done` when there is nothing left."""

    count: int
    done: bool


def pages(entries: int, of: int) -> int:
    """Requests for so many entries, so many in each; one at least."""
    return max(1, -(-entries // of))


def deletions_of(keys: Iterable[str]) -> Counter[str]:
    """Requests to delete the objects of these keys of a bucket together: those of `objects.try_to_delete`."""
    kept = Counter(goes_alone(key) for key in keys)
    return deletions([kept[False]]) + Counter({RequestClass.FREE.value: kept[True]})


def deletions(counts: Iterable[int]) -> Counter[str]:
    """The same for so many objects of each bucket, whose keys XML can carry: one for each thousand; a single one is a
    DELETE, free.
    """
    total: Counter[str] = Counter()
    for count in counts:
        single = count % MAX_DELETE == 1
        total[RequestClass.S3_TIER1.value] += -(-count // MAX_DELETE) - single
        if single:
            total[RequestClass.FREE.value] += 1
    return total
