"""How far a job is, for its page."""

from dataclasses import dataclass

from django.db.models import Count

from media_catalog.models import Job, JobItem


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Items by state. `percent` is rounded down, so 100 means that all are over."""

    total: int
    queued: int
    running: int
    done: int
    skipped: int
    failed: int
    parked: int

    @property
    def over(self) -> int:
        return self.done + self.skipped + self.failed

    @property
    def percent(self) -> int:
        return self.over * 100 // self.total if self.total else 100


def progress(job: Job) -> Progress:
    """Counted from the items: one query."""
    counts = dict.fromkeys(JobItem.State.values, 0)
    counts |= dict(job.items.order_by().values_list("state").annotate(Count("pk")))
    return Progress(total=sum(counts.values()), **counts)
