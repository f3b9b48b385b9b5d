"""The limits in force: the figures staff set, and temporary ones until they expire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject

from media_catalog.models import LimitOverride, Period, RequestCounter, RequestLimit

from .periods import day_of, starts


@dataclass(frozen=True, kw_only=True)
class LimitInForce:
    """`limit` counts a temporary figure in; jobs may use `limit - headroom`."""

    limit: int
    headroom: int
    warn_percent: int

    @property
    def warn_at(self) -> int:
        """The number of requests used at which a warning is due; rounded up, so it is never due at 0 of many."""
        return -(-self.limit * self.warn_percent // 100)


def in_force(now: datetime) -> dict[tuple[str, str], LimitInForce]:
    """Limits by (request class, period). One query."""
    return {(row.request_class, row.period): _in_force(row) for row in _rows(now)}


def with_limit(counters: QuerySet[RequestCounter], now: datetime) -> QuerySet[RequestCounter]:
    """Annotate counters with the `limit` in force for their class and period, for `limit_of`. No query of its own."""
    rows = _rows(now).filter(request_class=OuterRef("request_class"), period=OuterRef("period"))
    facts = JSONObject(limit=Coalesce("meanwhile", "limit"), headroom="headroom", warn_percent="warn_percent")
    return counters.annotate(limit=Subquery(rows.annotate(facts=facts).values("facts")[:1]))


def limit_of(counter: Any) -> LimitInForce | None:
    """Of a counter from `with_limit`; None when its class and period have no limit."""
    return LimitInForce(**counter.limit) if counter.limit else None


def reached(now: datetime) -> list[tuple[str, str, LimitInForce, int]]:
    """(request class, period, limit, used) of limits whose warning threshold is reached. One query."""
    today = day_of(now)
    current = Q(period=Period.DAY, starts=today) | Q(period=Period.MONTH, starts=starts(Period.MONTH, today))
    counter = RequestCounter.objects.filter(current, request_class=OuterRef("request_class"), period=OuterRef("period"))
    rows = _rows(now).annotate(used=Coalesce(Subquery(counter.values("used")[:1]), 0))
    found = [(row.request_class, row.period, _in_force(row), row.used) for row in rows]
    return [entry for entry in found if entry[3] >= entry[2].warn_at]


def _rows(now: datetime) -> Any:
    override = LimitOverride.objects.filter(
        request_limit=OuterRef("pk"), created_at__lte=now, expires_at__gt=now
    ).order_by("-created_at", "-pk")
    return RequestLimit.objects.annotate(meanwhile=Subquery(override.values("limit")[:1]))


def _in_force(row: Any) -> LimitInForce:
    return LimitInForce(
        limit=row.limit if row.meanwhile is None else row.meanwhile,
        headroom=row.headroom,
        warn_percent=row.warn_percent,
    )
