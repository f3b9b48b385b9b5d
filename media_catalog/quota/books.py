"""The rows that one transaction of the ledger has locked, and what it changes in them.

Locks are taken in one order everywhere, so that processes wait for each other but never in a circle: blocks, usage,
reserved units, counters, each by primary key (usage: by its columns). The counters are the hot rows, so they come
last, are locked once and written once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime

from django.db import transaction
from django.db.models import Case, F, Q, When
from django.db.models.expressions import Combinable

from media_catalog.models import Period, RequestCounter, Reservation, ReservedUnits

from .limits import LimitInForce, limit_of, with_limit
from .periods import starts

Limits = Mapping[tuple[str, str], LimitInForce]
CounterKey = tuple[str, str, date]


class Books:
    """Counters and reserved units, locked; changes of them are in memory until `write`.

    `limits` has those in force of the counters that are locked so far.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.limits: dict[tuple[str, str], LimitInForce] = {}
        self._counters: dict[CounterKey, RequestCounter] = {}
        self._changes: dict[int, Counter[str]] = {}
        self._lines: dict[int, ReservedUnits] = {}
        self._open: set[int] = set()

    def lines(self, condition: Q) -> list[ReservedUnits]:
        """Reserved units, locked. All that a transaction needs must be asked for at once, before any counter."""
        rows = ReservedUnits.objects.select_for_update().filter(condition).order_by("pk")
        lines = [self._lines.setdefault(line.pk, line) for line in rows]
        # Asked for only now: `close` locks the lines first, so a reservation that is open under our lock stays open.
        open_ones = Reservation.objects.filter(pk__in={line.reservation_id for line in lines}, closed_at=None)
        self._open |= set(open_ones.values_list("pk", flat=True))
        return lines

    def is_open(self, line: ReservedUnits) -> bool:
        """Whether the reservation of locked units is open."""
        return line.reservation_id in self._open

    def line(self, key: int | None) -> ReservedUnits | None:
        """One of the locked reserved units; None when its reservation was dropped before the lock."""
        return self._lines.get(key) if key else None

    def lock(self, wanted: Iterable[tuple[str, date]]) -> None:
        """Lock the counters of classes for days and their months; made when missing."""
        keys = {(cls, period.value, starts(period, day)) for cls, day in wanted for period in Period}
        missing = sorted(keys - self._counters.keys())
        if missing:
            self._lock(missing)

    def counters(self, classes: Iterable[str], day: date) -> list[RequestCounter]:
        """Those of the day and its month, locked."""
        classes = list(classes)
        self.lock((cls, day) for cls in classes)
        return [self._counters[cls, period.value, starts(period, day)] for cls in classes for period in Period]

    def change(self, rows: Iterable[RequestCounter], **deltas: int) -> None:
        """Add to columns of locked counters."""
        for row in rows:
            self._changes.setdefault(row.pk, Counter()).update(deltas)
            for name, delta in deltas.items():
                setattr(row, name, getattr(row, name) + delta)

    def write(self) -> None:
        """Write what was changed; all counters in one statement."""
        for line in self._lines.values():
            line.save(update_fields=["units", "spent", "leased", "day"])
        changes = {key: deltas for key, deltas in self._changes.items() if any(deltas.values())}
        names = {name for deltas in changes.values() for name, delta in deltas.items() if delta}
        if names:
            RequestCounter.objects.filter(pk__in=changes).update(**{name: _added(name, changes) for name in names})

    def _lock(self, keys: list[CounterKey]) -> None:
        condition = Q()
        for cls, period, first in keys:
            condition |= Q(request_class=cls, period=period, starts=first)
        counters = RequestCounter.objects.select_for_update().filter(condition).order_by("pk")
        found = with_limit(counters, self.now)  # in the same query, because each request that is counted makes it
        rows = list(found)
        if len(rows) < len(keys):
            made = [RequestCounter(request_class=cls, period=period, starts=first) for cls, period, first in keys]
            RequestCounter.objects.bulk_create(made, ignore_conflicts=True)
            rows = list(found.all())
        self._counters |= {(row.request_class, row.period, row.starts): row for row in rows}
        self.limits |= {(row.request_class, row.period): limit for row in rows if (limit := limit_of(row))}


def _added(name: str, changes: Mapping[int, Counter[str]]) -> Combinable:
    """The column with the change of each counter (by primary key)."""
    if len({deltas[name] for deltas in changes.values()}) == 1:
        return F(name) + next(iter(changes.values()))[name]
    return F(name) + Case(*(When(pk=key, then=deltas[name]) for key, deltas in changes.items()))


@contextmanager
def opened(now: datetime, *, durable: bool = False) -> Iterator[Books]:
    """A transaction with books that are written at its end."""
    with transaction.atomic(durable=durable):
        books = Books(now)
        yield books
        books.write()
