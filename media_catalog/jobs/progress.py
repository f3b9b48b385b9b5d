"""How far jobs are, for their pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from media_catalog.models import Job, JobItem

RATE_WINDOW = timedelta(seconds=60)
PROCESSED = (JobItem.State.DONE, JobItem.State.SKIPPED, JobItem.State.FAILED)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Items by state. `percent` is rounded down, so 100 means that all are processed."""

    queued: int = 0
    running: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    parked: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.queued + self.running + self.parked + self.cancelled + self.over

    @property
    def over(self) -> int:
        """Processed."""
        return self.done + self.skipped + self.failed

    @property
    def percent(self) -> int:
        return self.over * 100 // self.total if self.total else 100


@dataclass(frozen=True, kw_only=True)
class Speed:
    """`per_minute` items of late; `left` until the items that wait now are processed, None when that is not known."""

    per_minute: float
    left: timedelta | None


def progress(job: Job) -> Progress:
    """One query, none for a job that is over."""
    return progresses([job])[job.pk]


def progresses(jobs: Sequence[Job]) -> dict[int, Progress]:
    """By the jobs' ids. Kept with jobs that are over, counted for the others: one query for all."""
    counts = {job.pk: dict(job.counts) for job in jobs}
    uncounted = [job for job, kept in counts.items() if not kept]
    if uncounted:
        items = JobItem.objects.filter(job__in=uncounted)
        for job, state, count in items.order_by().values_list("job", "state").annotate(Count("pk")):
            counts[job][state] = count
    return {job: Progress(**states) for job, states in counts.items()}


def speed(job: Job, now_at: Progress, *, now: datetime | None = None) -> Speed:
    """Of a job that runs, from what was processed in the last minute. One query."""
    now = now or timezone.now()
    since = max(now - RATE_WINDOW, job.started_at or now)
    lately = job.items.filter(state__in=PROCESSED, finished_at__gt=since).count()
    minutes = (now - since) / timedelta(minutes=1)
    per_minute = lately / minutes if minutes else 0.0
    waiting = now_at.queued + now_at.running
    return Speed(per_minute=per_minute, left=timedelta(minutes=waiting / per_minute) if per_minute else None)
