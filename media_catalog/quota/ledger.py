"""The counters' book-keeping: every change of units, each in a transaction with its books open (books.py).

The invariant, for each counter with a limit: used + leased + reserved ≤ limit, unless the limit was lowered
afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Q

from media_catalog.exceptions import Shortfall
from media_catalog.models import Period, RequestClass, RequestCounter, Reservation, ReservedUnits, UnitBlock

from .books import Books, Limits
from .limits import in_force, limit_of, with_limit
from .periods import starts

# Near a limit a block is at most this part of what is left, so that processes share the rest.
POOL_SHARE = 16


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


def reached(shortfalls: Iterable[Shortfall], day: date) -> list[Crossing]:
    """Limits that refuse because all is used, also where no request crossed them: they were lowered, or are 0."""
    return [
        Crossing(
            request_class=short.request_class,
            period=short.period,
            starts=starts(short.period, day),
            level="limit",
            used=short.limit,
            limit=short.limit,
        )
        for short in shortfalls
        if not short.left
    ]


def count_one(books: Books, request_class: str, day: date, *, bulk: bool) -> list[Crossing]:
    """Count one request as used. Raises Short."""
    rows = books.counters([request_class], day)
    _check(rows, {request_class: 1}, books.limits, bulk=bulk)
    return _use(books, rows, 1)


def count_sent(books: Books, sent: Mapping[str, int], day: date, *, reservation: int | None) -> list[Crossing]:
    """Count requests that have been sent already, out of a reservation as far as it goes; no limit refuses them."""
    found = books.lines(Q(reservation=reservation, request_class__in=sent)) if reservation else []
    books.lock([*((cls, day) for cls in sent), *((line.request_class, line.day) for line in found)])
    lines = {line.request_class: line for line in found}
    crossings = []
    for cls, count in sent.items():
        line, rows = lines.get(cls), books.counters([cls], day)
        if line and books.is_open(line) and (line.day == day or _roll(books, line, day)):
            mine = min(count, _rest(line))
            line.spent += mine
            books.change(rows, reserved=-mine)
        crossings += _use(books, rows, count)
    return crossings


def take_block(books: Books, request_class: str, day: date, *, want: int, bulk: bool, process: str) -> UnitBlock:
    """Take up to `want` units, fewer near the limit, into the hands of the process. Raises Short when none is left."""
    rows = books.counters([request_class], day)
    left = _check(rows, {request_class: 1}, books.limits, bulk=bulk)
    units = want if left is None else min(want, max(1, left // POOL_SHARE))
    books.change(rows, leased=units)
    return _block(books, request_class, day, units=units, process=process, line=None)


def take_reserved(
    books: Books, line: ReservedUnits, day: date, *, own: int, want: int, share: int, process: str
) -> UnitBlock | None:
    """The same from locked units of a reservation: the caller's `own` ones, beyond them at most this `share` of the
    rest. None when it is closed or has none left.

    Raises Short when the limit was lowered below what is spent.
    """
    if not books.is_open(line) or (line.day != day and not _roll(books, line, day)):
        return None
    rest = _rest(line)
    if rest < 1:
        return None
    rows = books.counters([line.request_class], day)
    allowed = _check_lowered(rows, books.limits)
    units = min(rest, max(own, min(want, max(1, rest // share))))
    units = units if allowed is None else min(units, allowed)
    books.change(rows, leased=units, reserved=-units)
    line.leased += units
    return _block(books, line.request_class, day, units=units, process=process, line=line)


def end_blocks(blocks: Iterable[UnitBlock]) -> list[UnitBlock]:
    """End blocks, before anything else is locked. Returns those that had not been written off meanwhile."""
    known = sorted(blocks, key=lambda block: block.pk)
    return [block for block in known if UnitBlock.objects.filter(pk=block.pk).delete()[0]]


def lock(
    books: Books,
    blocks: Iterable[UnitBlock],
    *,
    taking: Iterable[tuple[str, date]] = (),
    reservation: int | None = None,
) -> dict[str, ReservedUnits]:
    """Lock what settling these blocks and taking others, of classes for a day, will touch.

    Returns the lines of the reservation to take from, by class, where there are such.
    """
    blocks, taking = list(blocks), list(taking)
    classes = {cls for cls, _day in taking}
    condition = Q(pk__in=[block.reserved_units_id for block in blocks if block.reserved_units_id])
    if reservation and classes:
        condition |= Q(reservation=reservation, request_class__in=classes)
    lines = books.lines(condition)
    mine = [line for line in lines if line.reservation_id == reservation and line.request_class in classes]
    wanted = [(block.request_class, block.day) for block in blocks]
    # The line's own day too: in a new period its rest moves over, and locks come in one order only when asked at once.
    wanted += [(line.request_class, line.day) for line in mine]
    books.lock([*wanted, *taking])
    return {line.request_class: line for line in mine}


def settle_block(books: Books, block: UnitBlock, *, spent: int) -> list[Crossing]:
    """Account for an ended block of which so many units were spent; the rest goes back."""
    line = books.line(block.reserved_units_id)
    rows = books.counters([block.request_class], block.day)
    rest = block.units - spent
    goes_back = line is not None and line.day == block.day and books.is_open(line)
    books.change(rows, leased=-block.units, reserved=rest if goes_back else 0)
    if line is not None:
        line.leased -= block.units
        line.spent += spent
        line.units -= 0 if goes_back else rest
    return _use(books, rows, spent)


def write_off(books: Books, block: UnitBlock) -> tuple[int, list[Crossing]]:
    """Count all units of a dead process's block as used: whether they were sent is not known. Returns how many."""
    if not UnitBlock.objects.filter(pk=block.pk, lease_until__lt=books.now).delete()[0]:
        return 0, []
    lock(books, [block])
    rows = books.counters([block.request_class], block.day)
    books.change(rows, written_off=block.units)
    return block.units, settle_block(books, block, spent=block.units)


def reserve(books: Books, reservation: Reservation, units: Mapping[str, int], day: date, *, bulk: bool) -> None:
    """Promise units of several classes to a saved reservation: all or nothing. Raises Short with every shortfall."""
    wanted = {cls: count for cls, count in units.items() if count and cls != RequestClass.FREE}
    if not wanted:
        return
    rows = books.counters(wanted, day)
    _check(rows, wanted, books.limits, bulk=bulk)
    for row in rows:
        books.change([row], reserved=wanted[row.request_class])
    ReservedUnits.objects.bulk_create(
        ReservedUnits(reservation=reservation, request_class=cls, units=count, day=day) for cls, count in wanted.items()
    )


def close(books: Books, reservation_id: int) -> bool:
    """Give back what a reservation has not handed out; False when it was closed before."""
    lines = books.lines(Q(reservation=reservation_id))
    if not Reservation.objects.filter(pk=reservation_id, closed_at=None).update(closed_at=books.now):
        return False
    books.lock({(line.request_class, line.day) for line in lines})
    for line in lines:
        rest = _rest(line)
        books.change(books.counters([line.request_class], line.day), reserved=-rest)
        line.units -= rest
    return True


def shortfalls(units: Mapping[str, int], day: date, *, now: datetime, bulk: bool) -> list[Shortfall]:
    """What would stand in the way of reserving these units, without reserving them."""
    wanted = {cls: count for cls, count in units.items() if count and cls != RequestClass.FREE}
    rows = RequestCounter.objects.filter(
        starts__in={starts(period, day) for period in Period}, request_class__in=wanted
    )
    limits = in_force(now)
    known = {(row.request_class, row.period): row for row in rows if row.starts == starts(row.period, day)}
    counters = [
        known.get((cls, period), RequestCounter(request_class=cls, period=period))
        for cls in wanted
        for period in Period
    ]
    return _short(counters, wanted, limits, bulk=bulk)


def is_exceeded(request_class: str, day: date, now: datetime) -> bool:
    """Whether more is used and in hands than a limit allows, as it was lowered. One query, which locks nothing."""
    current = Q(period=Period.DAY, starts=day) | Q(period=Period.MONTH, starts=starts(Period.MONTH, day))
    rows = with_limit(RequestCounter.objects.filter(current, request_class=request_class), now)
    return any((limit := limit_of(row)) is not None and row.used + row.leased > limit.limit for row in rows)


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


def _use(books: Books, rows: Iterable[RequestCounter], spent: int) -> list[Crossing]:
    crossings = []
    for row in rows:
        crossings += _crossings(row, row.used, row.used + spent, books.limits)
        books.change([row], used=spent)
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


def _block(
    books: Books, request_class: str, day: date, *, units: int, process: str, line: ReservedUnits | None
) -> UnitBlock:
    return UnitBlock.objects.create(
        process=process,
        request_class=request_class,
        reserved_units=line,
        units=units,
        day=day,
        lease_until=books.now + timedelta(seconds=settings.QUOTA_BLOCK_SECONDS),
    )


def _rest(line: ReservedUnits) -> int:
    """What the counters hold as reserved for it."""
    return line.units - line.spent - line.leased


def _roll(books: Books, line: ReservedUnits, day: date) -> bool:
    """Move the rest of reserved units to the counters of a new day, and of a new month where it began.

    When it does not fit there, the rest is given back and False returned: the requests then count one by one.
    """
    rest = _rest(line)
    before = books.counters([line.request_class], line.day)
    after = books.counters([line.request_class], day)
    begun = [row for row in after if row not in before]
    if _short(begun, {line.request_class: rest}, books.limits, bulk=True):
        books.change(before, reserved=-rest)
        line.units -= rest
        return False
    books.change([row for row in before if row not in after], reserved=-rest)
    books.change(begun, reserved=rest)
    line.day = day
    return True
