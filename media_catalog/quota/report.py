"""Figures of the quota panel: who spent what, what was refused, what was saved. Pure reading, a query each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from media_catalog.models import BlockedRequest, Job, JobItem, RequestClass, RequestUsage, SavedRequests

from .periods import day_of, midnight

CHART_DAYS = 30
TOP = 10
# What usage can be told apart by; `job` is the number of a job.
DIMENSIONS = ("username", "job", "job_kind", "bucket", "action", "operation")


@dataclass(frozen=True, kw_only=True)
class Share:
    """Requests of one value of a dimension, per class; `estimated` of them were not seen by the meter."""

    value: Any
    counts: Mapping[str, int]
    estimated: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class Day:
    day: date
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def usage_of(username: str | None) -> QuerySet[RequestUsage]:
    """Usage of a user, or of everybody for None."""
    rows = RequestUsage.objects.all()
    return rows if username is None else rows.filter(username=username)


def shares(rows: QuerySet[RequestUsage], dimension: str) -> list[Share]:
    """This month's requests that cost, by a dimension, the largest first. What has no value there is left out."""
    empty = 0 if dimension == "job" else ""
    month = day_of(timezone.now()).replace(day=1)
    grouped = (
        rows.filter(day__gte=month)
        .exclude(request_class=RequestClass.FREE)
        .exclude(**{dimension: empty})
        .order_by()
        .values(dimension, "request_class")
        .annotate(requests=Sum("count"), unseen=Sum("count", filter=Q(estimated=True)))
    )
    counts: dict[Any, dict[str, int]] = {}
    unseen: dict[Any, int] = {}
    for row in grouped:
        value = row[dimension]
        counts.setdefault(value, {})[row["request_class"]] = row["requests"]
        unseen[value] = unseen.get(value, 0) + (row["unseen"] or 0)
    found = [Share(value=value, counts=counts[value], estimated=unseen[value]) for value in counts]
    return sorted(found, key=lambda share: (-share.total, str(share.value)))[:TOP]


def days(rows: QuerySet[RequestUsage]) -> list[Day]:
    """Requests that cost for each of the last CHART_DAYS days, days without any included."""
    today = day_of(timezone.now())
    first = today - timedelta(days=CHART_DAYS - 1)
    grouped = (
        rows.filter(day__gte=first, day__lte=today)
        .exclude(request_class=RequestClass.FREE)
        .order_by()
        .values_list("day", "request_class")
        .annotate(Sum("count"))
    )
    counts: dict[date, dict[str, int]] = {first + timedelta(days=number): {} for number in range(CHART_DAYS)}
    for day, request_class, count in grouped:
        counts[day][request_class] = count
    return [Day(day=day, counts=found) for day, found in counts.items()]


def measured_and_estimated(rows: QuerySet[RequestUsage]) -> tuple[int, int]:
    """This month's requests that the meter saw leave, and those that it counted without seeing them."""
    month = day_of(timezone.now()).replace(day=1)
    found = (
        rows.filter(day__gte=month)
        .exclude(request_class=RequestClass.FREE)
        .aggregate(seen=Sum("count", filter=Q(estimated=False)), unseen=Sum("count", filter=Q(estimated=True)))
    )
    return found["seen"] or 0, found["unseen"] or 0


def refusals(username: str | None) -> QuerySet[BlockedRequest]:
    """Refusals of a user or of everybody, the latest first; `job_is_there` says whether the job still is."""
    rows = BlockedRequest.objects.annotate(job_is_there=Exists(Job.objects.filter(pk=OuterRef("job"))))
    return rows if username is None else rows.filter(username=username)


def saved() -> dict[str, int]:
    """This month's requests that were not needed, by reason (`preview cache`, `unchanged analysis`)."""
    month = day_of(timezone.now()).replace(day=1)
    counts = dict(SavedRequests.objects.filter(day__gte=month).order_by().values_list("reason").annotate(Sum("count")))
    unchanged = JobItem.objects.filter(
        job__kind="detect_faces", state=JobItem.State.SKIPPED, code="current", finished_at__gte=midnight(month)
    )
    counts["unchanged analysis"] = unchanged.aggregate(count=Count("pk"))["count"]
    return {reason: count for reason, count in counts.items() if count}
