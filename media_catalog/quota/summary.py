"""How much of each limit is used, for pages, confirmations and the command."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from media_catalog.models import Period, RequestClass, RequestCounter

from .limits import LimitInForce, in_force
from .periods import day_of, next_start, reset_moment, starts

UNUSED = RequestCounter()
PACE_FROM = 1 / 31  # share of a period from which a pace means something: a day of a month


@dataclass(frozen=True, kw_only=True)
class LimitSummary:
    """Requests of one class in the current day or month. `limit`, `left` and `headroom` are None without a limit.

    `used` counts what was written off; `held` is what reservations and processes hold.
    """

    request_class: str
    label: str
    period: str
    used: int
    held: int
    written_off: int
    limit: int | None
    headroom: int
    warn_percent: int
    resets: date
    resets_in: timedelta
    elapsed: float

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.used - self.held)

    @property
    def left_for_jobs(self) -> int | None:
        return None if self.left is None else max(0, self.left - self.headroom)

    @property
    def percent(self) -> int:
        """Share of the limit that is used, rounded down, at most 100; a limit of 0 is used up."""
        if self.limit is None:
            return 0
        return min(100, self.used * 100 // self.limit) if self.limit else 100

    @property
    def held_percent(self) -> int:
        """Share that is held, so that both bars end at 100 at most."""
        return min(100 - self.percent, self.held * 100 // self.limit) if self.limit else 0

    @property
    def level(self) -> str:
        """`none` (no limit), `ok`, `watch` or `full`."""
        if self.limit is None:
            return "none"
        if not self.left:
            return "full"
        return "watch" if self.used * 100 >= self.limit * self.warn_percent else "ok"

    @property
    def forecast(self) -> int | None:
        """Requests by the end of the period at the pace so far; None while too little of it is over to tell."""
        return round(self.used / self.elapsed) if self.elapsed >= PACE_FROM else None

    @property
    def runs_out(self) -> date | None:
        """The day on which the limit is reached at the pace so far; None when it lasts."""
        if self.limit is None or self.period == Period.DAY or self.forecast is None or self.forecast <= self.limit:
            return None
        first = starts(self.period, self.resets - timedelta(days=1))
        days = (self.resets - first).days * self.elapsed
        return min(first + timedelta(days=int(self.limit / (self.used / days))), self.resets - timedelta(days=1))


def summaries(now: datetime | None = None) -> list[LimitSummary]:
    """Every class with its month, and its day where that has a limit. Two queries."""
    now = now or timezone.now()
    today = day_of(now)
    limits = in_force(now)
    counters = {
        (row.request_class, row.period): row
        for row in RequestCounter.objects.filter(starts__in={starts(period, today) for period in Period})
        if row.starts == starts(row.period, today)
    }
    return [
        _summary(
            cls, period, counters.get((cls.value, period.value), UNUSED), limits.get((cls.value, period.value)), now
        )
        for cls in RequestClass
        if cls is not RequestClass.FREE
        for period in (Period.MONTH, Period.DAY)
        if period is Period.MONTH or (cls.value, period.value) in limits
    ]


def _summary(
    cls: RequestClass, period: Period, row: RequestCounter, limit: LimitInForce | None, now: datetime
) -> LimitSummary:
    today = day_of(now)
    reset = reset_moment(period, today)
    began = reset_moment(period, starts(period, today) - timedelta(days=1))
    return LimitSummary(
        request_class=cls.value,
        label=str(cls.label),
        period=period.value,
        used=row.used,
        held=row.leased + row.reserved,
        written_off=row.written_off,
        limit=limit.limit if limit else None,
        headroom=limit.headroom if limit else 0,
        warn_percent=limit.warn_percent if limit else 100,
        resets=next_start(period, today),
        resets_in=reset - now,
        elapsed=(now - began) / (reset - began),
    )
