"""Counts each AWS request before it is sent, and refuses what would go over the month's limit.

The count is one conditional UPDATE, exact however many processes race. It commits on its own before the request
leaves (`durable`): a count rolled back with its caller's transaction would be lost although AWS got the request.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime

from django.db import Error, transaction
from django.db.models import F, Q, Subquery
from django.utils import timezone

from media_catalog.exceptions import MeterUnavailable, QuotaRefused
from media_catalog.models import RequestClass, RequestCounter, RequestLimit, RequestUsage

from .attribution import current
from .request_classes import classify

_tally: ContextVar[Counter[str] | None] = ContextVar("tally", default=None)


def spend(service: str, operation: str) -> None:
    """Count one request about to be sent.

    Raises QuotaRefused when the limit does not allow it, MeterUnavailable when it cannot be counted, and
    RuntimeError inside a transaction (a programming error). In each case the request must not be sent.
    """
    request_class = classify(service, operation)
    today = timezone.now().astimezone(UTC).date()
    try:
        with transaction.atomic(durable=True):
            _count(request_class, today.replace(day=1))
            _attribute(request_class, operation, today)
    except Error as error:
        raise MeterUnavailable(str(error)) from error
    tally = _tally.get()
    if tally is not None:
        tally[request_class.value] += 1


@contextmanager
def tally() -> Iterator[Counter[str]]:
    """Requests counted inside, per class, in this thread."""
    counts: Counter[str] = Counter()
    token = _tally.set(counts)
    try:
        yield counts
    finally:
        _tally.reset(token)


def next_reset(now: datetime) -> date:
    """The day on which the month's counters start again, UTC."""
    today = now.astimezone(UTC).date()
    return date(today.year + today.month // 12, today.month % 12 + 1, 1)


def _count(request_class: RequestClass, month: date) -> None:
    counter = RequestCounter.objects.filter(request_class=request_class, month=month)
    limit = RequestLimit.objects.filter(request_class=request_class)
    unlimited = ~Q(request_class__in=limit.values("request_class"))
    allowed = counter.filter(unlimited | Q(used__lt=Subquery(limit.values("limit"))))
    if allowed.update(used=F("used") + 1):
        return
    # Refused, or the first of the month. Others begin it too, so whether its row is there by now proves nothing.
    RequestCounter.objects.bulk_create(
        [RequestCounter(request_class=request_class, month=month)], ignore_conflicts=True
    )
    if not allowed.update(used=F("used") + 1):
        raise QuotaRefused(request_class.value)


def _attribute(request_class: RequestClass, operation: str, day: date) -> None:
    who = current()
    row = {
        "day": day,
        "request_class": request_class,
        "operation": operation,
        "bucket": who.bucket,
        "username": who.username,
        "job_kind": who.job_kind,
        "action": who.action,
    }
    usage = RequestUsage.objects.filter(**row)
    if not usage.update(count=F("count") + 1):
        RequestUsage.objects.bulk_create([RequestUsage(**row)], ignore_conflicts=True)
        usage.update(count=F("count") + 1)
