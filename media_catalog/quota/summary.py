"""How much of each limit is used, for pages and confirmations."""

from dataclasses import dataclass
from datetime import UTC, date

from django.utils import timezone

from media_catalog.models import RequestClass, RequestCounter, RequestLimit

from .meter import next_reset

WATCH_PERCENT = 80


@dataclass(frozen=True, kw_only=True)
class ClassSummary:
    """Requests of one class this month. `limit` and `left` are None without a limit."""

    request_class: str
    label: str
    used: int
    limit: int | None
    resets: date

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def percent(self) -> int:
        """Share of the limit that is used, rounded down, at most 100; a limit of 0 is used up."""
        if self.limit is None:
            return 0
        return min(100, self.used * 100 // self.limit) if self.limit else 100

    @property
    def level(self) -> str:
        """`none` (no limit), `ok`, `watch` or `full`."""
        if self.limit is None:
            return "none"
        if self.used >= self.limit:
            return "full"
        return "watch" if self.percent >= WATCH_PERCENT else "ok"


def this_month() -> list[ClassSummary]:
    """One entry for each class that costs, in the order of RequestClass. Two queries."""
    now = timezone.now()
    month = now.astimezone(UTC).date().replace(day=1)
    limits = dict(RequestLimit.objects.values_list("request_class", "limit"))
    used = dict(RequestCounter.objects.filter(month=month).values_list("request_class", "used"))
    return [
        ClassSummary(
            request_class=cls.value,
            label=str(cls.label),
            used=used.get(cls.value, 0),
            limit=limits.get(cls.value),
            resets=next_reset(now),
        )
        for cls in RequestClass
        if cls is not RequestClass.FREE
    ]
