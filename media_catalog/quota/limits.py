"""The limits in force: the figures staff set, and temporary ones until they expire."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from media_catalog.models import LimitOverride, RequestLimit


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
    override = LimitOverride.objects.filter(
        request_limit=OuterRef("pk"), created_at__lte=now, expires_at__gt=now
    ).order_by("-created_at", "-pk")
    rows = RequestLimit.objects.annotate(meanwhile=Subquery(override.values("limit")[:1]))
    return {
        (row.request_class, row.period): LimitInForce(
            limit=row.limit if row.meanwhile is None else row.meanwhile,
            headroom=row.headroom,
            warn_percent=row.warn_percent,
        )
        for row in rows
    }
