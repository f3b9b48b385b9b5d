"""The counters' book-keeping: every change of units, each in the caller's transaction.

Locks are taken in one order everywhere, usage rows, then reserved units, then counters, each by primary key, so that
processes wait for each other but never for ever. The invariant, for each counter with a limit:
used + leased + reserved ≤ limit, unless the limit was lowered afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import F, Q

from media_catalog.exceptions import Shortfall
from media_catalog.models import Period, RequestClass, RequestCounter, Reservation, ReservedUnits, UnitBlock

from .limits import LimitInForce, in_force
from .periods import starts

# Near a limit a block is at most this part of what is left, so that processes share the rest.
POOL_SHARE = 16
RESERVATION_SHARE = 4


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """`used` of a counter has just reached the warning threshold (`warn`) or the limit (`limit`)."""

    request_class: str
    period: str
    starts: date
    level: str
    used: int
    limit: int


class Short(Exception):
    """Units are not to be had. The caller's transaction must be rolled back."""

    def __init__(self, shortfalls: list[Shortfall]) -> None:
        super().__init__(str(shortfalls))
        self.shortfalls = shortfalls


Limits = Mapping[tuple[str, str], LimitInForce]


def count_one(request_class: str, day: date, *, now: datetime, bulk: bool) -> list[Crossing]:
    """Count one request as used. Raises Short."""
    limits = in_force(now)
    rows = _locked([request_class], day)
    _check(rows, {request_class: 1}, limits, bulk=bulk)
    return _use(rows, {request_class: 1}, limits)


def take_block(request_class: str, day: date, *, want: int, now: datetime, bulk: bool, process: str) -> UnitBlock:
    """Take up to `want` units, fewer near the limit, into the hands of the process. Raises Short when none is left."""
    limits = in_force(now)
    rows = _locked([request_class], day)
    left = _check(rows, {request_class: 1}, limits, bulk=bulk)
    units = want if left is None else min(want, max(1, left // POOL_SHARE))
    _change(rows, leased=units)
    return _block(request_class, day, units=units, now=now, process=process, line=None)


def take_reserved(
    reservation_id: int, request_class: str, day: date, *, want: int, now: datetime, process: str
) -> UnitBlock | None:
    """The same from a reservation; None when it has none left in this class.

    Raises Short when the limit was lowered below what is spent.
    """
    line = _open_line(reservation_id, request_class)
    if line is None:
        return None
    if line.day != day and not _roll(line, day, now):
        return None
    rest = line.units - line.spent - line.leased
    if rest < 1:
        return None
    limits = in_force(now)
    rows = _locked([request_class], day)
    allowed = _check_lowered(rows, limits)
    units = min(want, max(1, rest // RESERVATION_SHARE))
    units = units if allowed is None else min(units, allowed)
    _change(rows, leased=units, reserved=-units)
    ReservedUnits.objects.filter(pk=line.pk).update(leased=F("leased") + units)
    return _block(request_class, day, units=units, now=now, process=process, line=line)


def settle_block(block: UnitBlock, *, spent: int, now: datetime) -> list[Crossing]:
    """End a block of which so many units were spent; the rest goes back. Nothing, when it was written off meanwhile."""
    if not UnitBlock.objects.filter(pk=block.pk).delete()[0]:
        return []
    limits = in_force(now)
    line = _line(block)
    rows = _locked([block.request_class], block.day)
    rest = block.units - spent
    goes_back = line is not None and line.day == block.day and line.reservation.closed_at is None
    _change(rows, leased=-block.units, reserved=rest if goes_back else 0)
    if line is not None:
        ReservedUnits.objects.filter(pk=line.pk).update(
            leased=F("leased") - block.units,
            spent=F("spent") + spent,
            units=F("units") - (0 if goes_back else rest),
        )
    return _use(rows, {block.request_class: spent}, limits)


def write_off(block: UnitBlock, *, now: datetime) -> tuple[int, list[Crossing]]:
    """Count all units of a dead process's block as used: whether they were sent is not known. Returns how many."""
    if not UnitBlock.objects.filter(pk=block.pk, lease_until__lt=now).delete()[0]:
        return 0, []
    limits = in_force(now)
    line = _line(block)
    rows = _locked([block.request_class], block.day)
    _change(rows, leased=-block.units, written_off=block.units)
    if line is not None:
        ReservedUnits.objects.filter(pk=line.pk).update(
            leased=F("leased") - block.units, spent=F("spent") + block.units
        )
    return block.units, _use(rows, {block.request_class: block.units}, limits)


def reserve(reservation: Reservation, units: Mapping[str, int], day: date, *, now: datetime, bulk: bool) -> None:
    """Promise units of several classes to a saved reservation: all or nothing. Raises Short with every shortfall."""
    wanted = {cls: count for cls, count in units.items() if count and cls != RequestClass.FREE}
    if not wanted:
        return
    limits = in_force(now)
    rows = _locked(wanted, day)
    _check(rows, wanted, limits, bulk=bulk)
    for row in rows:
        _change([row], reserved=wanted[row.request_class])
    ReservedUnits.objects.bulk_create(
        ReservedUnits(reservation=reservation, request_class=cls, units=count, day=day) for cls, count in wanted.items()
    )


def close(reservation_id: int, *, now: datetime) -> bool:
    """Give back what a reservation has not handed out; False when it was closed before."""
    lines = list(ReservedUnits.objects.select_for_update().filter(reservation=reservation_id).order_by("pk"))
    if not Reservation.objects.filter(pk=reservation_id, closed_at=None).update(closed_at=now):
        return False
    for day in sorted({line.day for line in lines}):
        rest = {line.request_class: line.units - line.spent - line.leased for line in lines if line.day == day}
        for row in _locked(rest, day):
            _change([row], reserved=-rest[row.request_class])
    ReservedUnits.objects.filter(reservation=reservation_id).update(units=F("spent") + F("leased"))
    return True


def shortfalls(units: Mapping[str, int], day: date, *, now: datetime, bulk: bool) -> list[Shortfall]:
    """What would stand in the way of reserving these units, without reserving them."""
    wanted = {cls: count for cls, count in units.items() if count}
    rows = RequestCounter.objects.filter(_periods(day), request_class__in=wanted)
    limits = in_force(now)
    known = {(row.request_class, row.period): row for row in rows}
    counters = [
        known.get((cls, period), RequestCounter(request_class=cls, period=period))
        for cls in wanted
        for period in Period
    ]
    return _short(counters, wanted, limits, bulk=bulk)


def _periods(day: date) -> Q:
    condition = Q()
    for period in Period:
        condition |= Q(period=period, starts=starts(period, day))
    return condition


def _locked(classes: Iterable[str], day: date) -> list[RequestCounter]:
    """The counters of these classes for the day and its month, locked; made when missing."""
    wanted = list(classes)
    found = RequestCounter.objects.select_for_update().filter(_periods(day), request_class__in=wanted).order_by("pk")
    rows = list(found)
    if len(rows) == len(wanted) * len(Period):
        return rows
    RequestCounter.objects.bulk_create(
        [
            RequestCounter(request_class=cls, period=period, starts=starts(period, day))
            for cls in wanted
            for period in Period
        ],
        ignore_conflicts=True,
    )
    return list(found.all())


def _check(rows: Iterable[RequestCounter], wanted: Mapping[str, int], limits: Limits, *, bulk: bool) -> int | None:
    """The smallest number left, None without a limit. Raises Short when a counter has fewer than wanted."""
    rows = list(rows)
    short = _short(rows, wanted, limits, bulk=bulk)
    if short:
        raise Short(short)
    lefts = [left for row in rows if (left := _left(row, limits, bulk=bulk)) is not None]
    return min(lefts) if lefts else None


def _short(rows: Iterable[RequestCounter], wanted: Mapping[str, int], limits: Limits, *, bulk: bool) -> list[Shortfall]:
    short = []
    for row in rows:
        left = _left(row, limits, bulk=bulk)
        if left is not None and left < wanted[row.request_class]:
            short.append(
                Shortfall(
                    request_class=row.request_class,
                    period=row.period,
                    needed=wanted[row.request_class],
                    left=max(0, left),
                    limit=limits[row.request_class, row.period].limit,
                )
            )
    return short


def _left(row: RequestCounter, limits: Limits, *, bulk: bool) -> int | None:
    limit = limits.get((row.request_class, row.period))
    if limit is None:
        return None
    return limit.limit - (limit.headroom if bulk else 0) - row.used - row.leased - row.reserved


def _check_lowered(rows: list[RequestCounter], limits: Limits) -> int | None:
    """How many reserved units may still be handed out. Raises Short when the limit was lowered below what is spent."""
    held = [(row, limits.get((row.request_class, row.period))) for row in rows]
    lefts = [(limit.limit - row.used - row.leased, row, limit) for row, limit in held if limit is not None]
    if not lefts:
        return None
    left, row, limit = min(lefts, key=lambda entry: entry[0])
    if left < 1:
        raise Short(
            [Shortfall(request_class=row.request_class, period=row.period, needed=1, left=0, limit=limit.limit)]
        )
    return left


def _use(rows: Iterable[RequestCounter], spent: Mapping[str, int], limits: Limits) -> list[Crossing]:
    crossings = []
    for row in rows:
        count = spent[row.request_class]
        if count:
            _change([row], used=count)
        crossings += _crossings(row, row.used, row.used + count, limits)
    return crossings


def _crossings(row: RequestCounter, before: int, after: int, limits: Limits) -> list[Crossing]:
    limit = limits.get((row.request_class, row.period))
    if limit is None or before == after:
        return []
    levels = [("warn", limit.warn_at), ("limit", limit.limit)]
    return [
        Crossing(
            request_class=row.request_class,
            period=row.period,
            starts=row.starts,
            level=level,
            used=after,
            limit=limit.limit,
        )
        for level, at in levels
        if before < at <= after
    ]


def _change(rows: Iterable[RequestCounter], **changes: int) -> None:
    """Add to columns of locked rows."""
    keys = [row.pk for row in rows]
    RequestCounter.objects.filter(pk__in=keys).update(**{name: F(name) + delta for name, delta in changes.items()})


def _block(
    request_class: str, day: date, *, units: int, now: datetime, process: str, line: ReservedUnits | None
) -> UnitBlock:
    return UnitBlock.objects.create(
        process=process,
        request_class=request_class,
        reserved_units=line,
        units=units,
        day=day,
        lease_until=now + timedelta(seconds=settings.QUOTA_BLOCK_SECONDS),
    )


def _line(block: UnitBlock) -> ReservedUnits | None:
    """The reserved units that a block came from, locked."""
    lines = ReservedUnits.objects.select_for_update(of=("self",)).select_related("reservation")
    return lines.filter(pk=block.reserved_units_id).first() if block.reserved_units_id else None


def _open_line(reservation_id: int, request_class: str) -> ReservedUnits | None:
    lines = ReservedUnits.objects.select_for_update(of=("self",)).select_related("reservation")
    return lines.filter(reservation=reservation_id, reservation__closed_at=None, request_class=request_class).first()


def _roll(line: ReservedUnits, day: date, now: datetime) -> bool:
    """Move the rest of reserved units to the counters of a new day, and of a new month where it began.

    When it does not fit there, the rest is given back and False returned: the requests then count one by one.
    """
    rest = line.units - line.spent - line.leased
    cls = line.request_class
    rows = sorted([*_locked([cls], line.day), *_locked([cls], day)], key=lambda row: row.pk)
    old = [row for row in rows if row.starts == starts(row.period, line.day)]
    new = [row for row in rows if row.starts == starts(row.period, day) and row not in old]
    old = [row for row in old if row.starts != starts(row.period, day)]
    fits = not _short(new, {cls: rest}, in_force(now), bulk=True)
    _change(old, reserved=-rest)
    if fits:
        _change(new, reserved=rest)
        line.day = day
        ReservedUnits.objects.filter(pk=line.pk).update(day=day)
    else:
        # The month may go on: what it still holds for this line is given back too.
        _change([row for row in rows if row not in old and row not in new], reserved=-rest)
        ReservedUnits.objects.filter(pk=line.pk).update(units=F("units") - rest)
    return fits
