"""Searching, sorting and filtering the inventory of a bucket. Queries only; a page costs the same wherever it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from media_catalog.models import Bucket, InventoryObject

from .adoption import has_name, is_candidate
from .catalogued import begins_with, has_row, is_known, is_rendition

PAGE_SIZE = 100
COUNTED = 10_000  # matches are counted up to here
KILO, MEGA = 1024, 1024**2
SORTS = ("key", "size", "modified")
SIZES: Mapping[str, tuple[int, int | None]] = {  # from, below
    "empty": (0, 1),
    "small": (1, 100 * KILO),
    "medium": (100 * KILO, MEGA),
    "large": (MEGA, 15 * MEGA),
    "huge": (15 * MEGA, None),
}
AGES: Mapping[str, timedelta] = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to list. `how`: "prefix" or "contains"; `sort`: one of SORTS, `down` for the largest first.

    The others are keys of the tables above, or of STATES; empty for all.
    """

    text: str = ""
    how: str = "prefix"
    size: str = ""
    age: str = ""
    storage: str = ""
    state: str = ""
    sort: str = "key"
    down: bool = False


@dataclass(frozen=True, kw_only=True)
class Page:
    """`before` and `after` are the ids between which the rows lie where there are more; 0 where there are none.

    `count` of all matches, which may be more when it is COUNTED.
    """

    rows: Sequence[InventoryObject]
    before: int
    after: int
    count: int


def find(bucket: Bucket, wanted: Wanted, *, after: int = 0, before: int = 0) -> Page:
    """The page after, or before, an object (id); the first one without. Three queries, or four."""
    matching = _matching(bucket, wanted)
    anchor = InventoryObject.objects.filter(bucket=bucket, pk=after or before).first() if after or before else None
    back = bool(before and anchor)
    down = wanted.down != back
    rows = matching.filter(_beyond(anchor, wanted.sort, down=down)) if anchor else matching
    signed = "-" if down else ""
    found = list(rows.order_by(*(signed + name for name in _columns(wanted.sort)))[: PAGE_SIZE + 1])
    more, shown = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if back:
        shown.reverse()
    behind = anchor is not None if not back else more
    ahead = more if not back else True
    return Page(
        rows=shown,
        before=shown[0].pk if shown and behind else 0,
        after=shown[-1].pk if shown and ahead else 0,
        count=matching.order_by()[:COUNTED].count(),
    )


def _columns(sort: str) -> tuple[str, ...]:
    return ("key",) if sort == "key" else (sort, "pk")


def _beyond(anchor: InventoryObject, sort: str, *, down: bool) -> Q:
    """Rows that come later in the order than this one, so written that an index gives their start."""
    compare = "lt" if down else "gt"
    if sort == "key":
        return Q(**{f"key__{compare}": anchor.key})
    value = getattr(anchor, sort)
    further = Q(**{f"{sort}__{compare}": value}) | Q(**{sort: value, f"pk__{compare}": anchor.pk})
    return Q(**{f"{sort}__{compare}e": value}) & further


def _matching(bucket: Bucket, wanted: Wanted) -> QuerySet[InventoryObject]:
    rows = InventoryObject.objects.filter(bucket=bucket)
    if wanted.text and wanted.how == "contains":
        rows = rows.filter(key__icontains=wanted.text)
        rows = _few(rows) if wanted.state in BY_CATALOGUE else rows
    elif wanted.text:  # LIKE for the index; the other because SQLite's LIKE does not regard case
        rows = rows.filter(begins_with(wanted.text), key__startswith=wanted.text)
    if wanted.state in STATES:
        rows = rows.filter(STATES[wanted.state]())
    if wanted.size in SIZES:
        least, below = SIZES[wanted.size]
        rows = rows.filter(size__gte=least, **({"size__lt": below} if below else {}))
    if wanted.age in AGES:
        rows = rows.filter(modified__gte=timezone.now() - AGES[wanted.age])
    return rows.filter(storage_class=wanted.storage) if wanted.storage in STORAGE_CLASSES else rows


def _few(rows: QuerySet[InventoryObject]) -> QuerySet[InventoryObject]:
    """The same rows by their numbers, unless they are many. One query.

    PostgreSQL asks small tables before it compares texts, for each row of the bucket; and many rows soon fill a page.
    """
    found = list(rows.order_by().values_list("pk", flat=True)[: COUNTED + 1])
    return InventoryObject.objects.filter(pk__in=found) if len(found) <= COUNTED else rows


STATES: Mapping[str, Callable[[], Q]] = {
    "known": lambda: has_row() | is_rendition(),
    "unknown": lambda: ~is_known() & Q(missing_since=None),
    "adoptable": lambda: is_candidate() & has_name() & ~is_known(),
    "skipped": lambda: ~Q(note=""),
    "missing": lambda: Q(missing_since__isnull=False),
}
BY_CATALOGUE = ("known", "unknown", "adoptable")  # which other tables tell
