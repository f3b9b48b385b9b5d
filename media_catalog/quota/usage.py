"""Writing down who spent what, what was refused, and what a cache saved."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from media_catalog.exceptions import Shortfall
from media_catalog.models import AuditEvent, BlockedRequest, RequestUsage, SavedRequests

from .attribution import Attribution
from .periods import day_of

WRITTEN_OFF = "written off"  # the operation of units that a dead process held
REFUSALS_TOGETHER = timedelta(minutes=1)
REFUSED_ALIKE = ("request_class", "period", "operation", "limit", "bucket", "username", "job_kind", "job", "action")
SAVED_BATCH = 50  # saved requests are figures of interest, not of account: written when so many came together


@dataclass(frozen=True, kw_only=True, order=True)
class Entry:
    """One kind of spending; equal ones are added up."""

    day: date
    request_class: str
    operation: str
    estimated: bool
    who: Attribution

    def fields(self) -> dict[str, object]:
        """The columns of its row."""
        columns = asdict(self)
        columns |= columns.pop("who")
        return columns


def record(counts: Mapping[Entry, int]) -> None:
    """Add to the day's rows, in one order everywhere, so that processes never wait in a circle."""
    for entry in sorted(counts):
        rows = RequestUsage.objects.filter(**entry.fields())
        if not rows.update(count=F("count") + counts[entry]):
            RequestUsage.objects.bulk_create([RequestUsage(**entry.fields())], ignore_conflicts=True)
            rows.update(count=F("count") + counts[entry])


def record_refusal(shortfalls: list[Shortfall], *, operation: str, who: Attribution, at: datetime) -> None:
    """Note what a limit refused: one row for each limit in the way, and one audit event.

    What work in the background, which asks by itself, is refused again within REFUSALS_TOGETHER is counted in the row
    that is there, and is no further event.
    """
    rows = [
        BlockedRequest(
            at=at,
            request_class=short.request_class,
            period=short.period,
            operation=operation,
            needed=short.needed,
            left=short.left,
            limit=short.limit,
            **asdict(who),
        )
        for short in shortfalls
    ]
    new = [row for row in rows if not ((who.job or who.job_kind) and _refused_again(row))]
    if not new:
        return
    BlockedRequest.objects.bulk_create(new)
    AuditEvent.objects.create(
        at=at,
        username=who.username,
        action=AuditEvent.Action.REFUSED,
        target=operation,
        after={"limits": [asdict(short) for short in shortfalls], "job": who.job, "bucket": who.bucket},
        reason=who.action,
    )


def _refused_again(row: BlockedRequest) -> bool:
    """Count a refusal in the row of one like it. Of two workers that find none both write one, which is as true."""
    alike = {name: getattr(row, name) for name in REFUSED_ALIKE}
    lately = BlockedRequest.objects.filter(**alike, at__gt=row.at - REFUSALS_TOGETHER)
    first = lately.order_by("pk").values_list("pk", flat=True).first()
    return bool(first and BlockedRequest.objects.filter(pk=first).update(times=F("times") + 1))


class _Saved:
    """Saved requests of this process that are not written yet."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, request_class: str, reason: str) -> None:
        with self._lock:
            self._counts[request_class, reason] += 1
            if self._counts.total() < SAVED_BATCH or connection.in_atomic_block:
                return
            counts, self._counts = self._counts, Counter()
        try:
            _write_saved(counts)
        except DatabaseError:
            return  # a figure of interest is not worth failing a page for


def _write_saved(counts: Mapping[tuple[str, str], int]) -> None:
    day = day_of(timezone.now())
    for (request_class, reason), count in sorted(counts.items()):
        key = {"day": day, "request_class": request_class, "reason": reason}
        SavedRequests.objects.bulk_create([SavedRequests(**key)], ignore_conflicts=True)
        SavedRequests.objects.filter(**key).update(count=F("count") + count)


_saved = _Saved()


def saved(request_class: str, reason: str) -> None:
    """One request was not needed, for the reason given (a word: `preview cache`)."""
    _saved.add(request_class, reason)
