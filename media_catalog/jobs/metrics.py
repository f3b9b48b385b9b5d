"""Figures of the quota and the queue as log lines, from which CloudWatch makes metrics: alarms and scaling use them.

Written by the command that watches over a cluster, not by a task, which would wait in the very queue that it measures.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Min, Q
from django.utils import timezone

from media_catalog.emf import Unit, metric_fields
from media_catalog.models import BlockedRequest, Job, JobItem, Period
from media_catalog.quota import usage
from media_catalog.quota.summary import summaries

from . import health
from .control import queue_paused

PERIOD_SECONDS = 60
TURN, LAST = "metrics-turn", "metrics-told"
logger = logging.getLogger(__name__)


def report() -> None:
    """Write the figures, once a minute for all workers together."""
    if not cache.add(TURN, True, PERIOD_SECONDS):
        return
    now = timezone.now()
    since, told = cache.get(LAST) or (now - timedelta(seconds=PERIOD_SECONDS), {})
    refusals, growing = _refusals(since, now, told)
    cache.set(LAST, (now, growing), timeout=10 * PERIOD_SECONDS)
    _write({**_queue(since, now), "Refusals": (refusals, "Count")}, now)
    for entry in summaries(now):
        if entry.period == Period.MONTH:
            _write({"RequestsUsed": (entry.used, "Count")}, now, RequestClass=entry.request_class)


def _queue(since: datetime, now: datetime) -> dict[str, tuple[float, Unit]]:
    recent = JobItem.objects.filter(
        Q(job__finished_at=None) | Q(job__finished_at__gt=since), finished_at__gt=since, finished_at__lte=now
    )
    counts = recent.aggregate(
        done=Count("pk", filter=Q(state__in=[JobItem.State.DONE, JobItem.State.SKIPPED])),
        failed=Count("pk", filter=Q(state=JobItem.State.FAILED)),
    )
    return {
        "ItemsDone": (counts["done"], "Count"),
        "ItemsFailed": (counts["failed"], "Count"),
        "QueueAge": (_queue_age(now), "Seconds"),
        "WorkersAlive": (health.alive(), "Count"),
    }


def _queue_age(now: datetime) -> float:
    """Seconds since the oldest job was asked for that has items which could run now; 0 when none has."""
    if queue_paused():
        return 0
    waiting = JobItem.objects.due(now).filter(job__state__in=Job.ACTIVE)
    oldest = waiting.aggregate(at=Min("job__created_at"))["at"]
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0


def _refusals(since: datetime, now: datetime, told: Mapping[int, int]) -> tuple[int, dict[int, int]]:
    """How many since then, and those of the rows (ids) that still grow: the next time they are `told`."""
    found = BlockedRequest.objects.filter(Q(at__gt=since) | Q(pk__in=told), at__lte=now)
    rows = list(found.values_list("pk", "at", "job", "job_kind", "times"))
    recent = now - usage.REFUSALS_TOGETHER
    growing = {pk: times for pk, at, job, kind, times in rows if (job or kind) and at > recent}
    return sum(times for *_row, times in rows) - sum(told.values()), growing


def _write(metrics: Mapping[str, tuple[float, Unit]], at: datetime, **dimensions: str) -> None:
    fields = metric_fields(metrics, dimensions={"Deployment": settings.DEPLOYMENT_NAME, **dimensions}, at=at)
    logger.info("figures", extra={"fields": fields})
