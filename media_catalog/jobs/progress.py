"""How far jobs are, for their pages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
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


@dataclass(frozen=True, kw_only=True)
class Figures:
    """`speed` is None for a job that does not run."""

    progress: Progress
    speed: Speed | None


def progress(job: Job) -> Progress:
    """One query, none for a job that is over."""
    return progresses([job])[job.pk]


def progresses(jobs: Sequence[Job]) -> dict[int, Progress]:
    """By the jobs' ids. Kept with jobs that are over, counted for the others: one query for all."""
    return {job: found.progress for job, found in figures(jobs).items()}


def figures(jobs: Sequence[Job], *, now: datetime | None = None) -> dict[int, Figures]:
    """Progress and speed by the jobs' ids, of as many queries as `progresses` takes."""
    now = now or timezone.now()
    counts = {job.pk: dict(job.counts) for job in jobs}
    lately: Counter[int] = Counter()
    if uncounted := [job for job, kept in counts.items() if not kept]:
        grouped = JobItem.objects.filter(job__in=uncounted).order_by().values_list("job", "state")
        recent = Q(state__in=PROCESSED, finished_at__gt=now - RATE_WINDOW)
        for job, state, count, ended in grouped.annotate(Count("pk"), ended=Count("pk", filter=recent)):
            counts[job][state] = count
            lately[job] += ended
    return {job.pk: _figures(job, Progress(**counts[job.pk]), lately[job.pk], now) for job in jobs}


def moves(job: Job, so_far: Progress) -> bool:
    """Whether the figures may change by themselves soon; parked jobs go on some day."""
    return job.state in Job.ACTIVE or so_far.running > 0


def _figures(job: Job, so_far: Progress, lately: int, now: datetime) -> Figures:
    return Figures(progress=so_far, speed=_speed(job, so_far, lately, now) if job.state == Job.State.RUNNING else None)


def _speed(job: Job, so_far: Progress, lately: int, now: datetime) -> Speed:
    """From what was processed in the last minute, or since the job has begun."""
    since = max(now - RATE_WINDOW, job.started_at or now)
    minutes = (now - since) / timedelta(minutes=1)
    per_minute = lately / minutes if minutes else 0.0
    waiting = so_far.queued + so_far.running
    return Speed(per_minute=per_minute, left=timedelta(minutes=waiting / per_minute) if per_minute else None)
