"""Starting jobs: the estimate is reserved, the items are written, and django-q2 gets them on commit."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from media_catalog.exceptions import TooManyItems
from media_catalog.models import Image, Job, JobItem, WorkQueue
from media_catalog.quota.estimate import Estimate, Turns, estimate
from media_catalog.services.selection import candidates

from . import parking
from .kinds import KINDS

RUN_CHUNK = "media_catalog.jobs.runner.run_chunk"  # stored with queued tasks: a public contract
INSERT_BATCH = 2000
logger = logging.getLogger(__name__)


def start(
    *,
    kind: str,
    user: User | None,
    images: Iterable[int] = (),
    scope: str = "",
    options: Mapping[str, Any] | None = None,
    park: bool = False,
    retry_of: Job | None = None,
    token: UUID | None = None,
) -> Job:
    """Reserve what a job will cost and start it, with one item for each image (ids), on the caller's commit.

    Ids without an image are left out; a kind that takes no images gets a single item. When the limits do not allow
    it: raises QuotaShort and nothing is started, or, with `park`, as much as fits runs now, of images or of work in
    turns, and the rest waits for the reset of the limit in the way. Raises TooManyItems above JOB_MAX_ITEMS, and
    IntegrityError when `token`, which stands for one request of somebody, has started a job already.
    """
    options = dict(options or {})
    ids = sorted(set(images))
    if len(ids) > settings.JOB_MAX_ITEMS:
        raise TooManyItems(count=len(ids), limit=settings.JOB_MAX_ITEMS)
    with transaction.atomic():
        cost = _cost(kind, options, ids)
        job = Job.objects.create(
            kind=kind,
            requested_by=user,
            requester=user.get_username() if user else "",
            scope=scope,
            options=options,
            estimate=cost.requests,
            retry_of=retry_of,
            token=token,
        )
        _write_items(job, cost)
        parking.begin(job, cost, park=park)
        _dispatch_on_commit(job)
    return job


def retry(job: Job, *, user: User, park: bool = False, token: UUID | None = None) -> Job:
    """Start a new job with the failed items of one that is over. Raises as `start` does."""
    failed = failed_images(job)
    scope = _("Failed items of job %(job)s") % {"job": job}
    return start(
        kind=job.kind, user=user, images=failed, scope=scope, options=job.options, park=park, retry_of=job, token=token
    )


def failed_images(job: Job) -> list[int]:
    """The images (ids) of its failed items that are still there."""
    failed = job.items.filter(state=JobItem.State.FAILED, image__isnull=False)
    return list(failed.order_by("image").values_list("image", flat=True))


def go_on(job: Job) -> int:
    """Start what fits now of a parked or paused job; the rest is parked. Returns how many items wait for a worker.

    Nothing when its state has changed since it was loaded: who has paused a parked job meanwhile wants it to stay so.
    """
    if job.state not in (Job.State.PARKED, Job.State.PAUSED):
        return 0
    waiting = job.items.filter(state__in=[JobItem.State.PARKED, JobItem.State.QUEUED])
    is_parked = job.state == Job.State.PARKED
    if is_parked and parking.must_wait(job, _first_cost(job, waiting)):  # asked each minute, so in few queries
        return 0
    with transaction.atomic():
        held = Job.objects.select_for_update().filter(pk=job.pk, state=job.state, cancelled_at=None)
        if not held.exists():
            return 0
        cost = _cost(job.kind, job.options, _images(waiting))
        if is_parked and parking.must_wait(job, cost):
            return 0
        waiting.filter(state=JobItem.State.PARKED).update(
            state=JobItem.State.QUEUED, code="", message="", dispatched_at=None
        )
        held.update(state=Job.State.RUNNING if job.started_at else Job.State.QUEUED, parked_until=None)
        parking.begin(job, cost, park=True)
        started = job.items.filter(state=JobItem.State.QUEUED).count()
        _dispatch_on_commit(job)
    return started


def dispatch(job_id: int) -> int:
    """Hand the items of a job that wait and are not on their way to the workers, in chunks; returns how many items.

    Nothing is handed over while the job or the queue is paused.
    """
    with transaction.atomic():
        # Locked, so that of two who dispatch at the same time the second finds nothing.
        job = Job.objects.select_for_update().filter(pk=job_id, state__in=Job.ACTIVE, cancelled_at=None)
        if not job.exists() or _is_paused():
            return 0
        now = timezone.now()
        waiting = JobItem.objects.due(now).filter(job=job_id, dispatched_at=None)
        items = list(waiting.order_by("pk").values_list("pk", flat=True))
        for chunk in chunks(items):
            async_task(RUN_CHUNK, job_id, list(chunk))
        # Exactly these: others may have been put back since.
        JobItem.objects.filter(pk__in=items).update(dispatched_at=now)
        job.update(heartbeat=now)
    return len(items)


def hand_over(job_id: int | None = None) -> None:
    """Dispatch a job that is committed, or all that wait. What the queue does not take now, as it is away, the workers
    dispatch later: the job is no less there.
    """
    try:
        dispatch_due() if job_id is None else dispatch(job_id)
    except Exception:  # of whatever broker
        logger.exception("not handed to the workers yet: %s", f"job {job_id}" if job_id else "what waits")


def dispatch_due() -> int:
    """Dispatch what waits and is not on its way, of all jobs; returns how many items."""
    paused = Exists(WorkQueue.objects.filter(paused_at__isnull=False))
    active = Exists(Job.objects.filter(pk=OuterRef("job_id"), state__in=Job.ACTIVE, cancelled_at=None))
    due = JobItem.objects.due(timezone.now()).filter(active, ~paused, dispatched_at=None)
    return sum(dispatch(job) for job in due.order_by().values_list("job", flat=True).distinct())


def chunks(items: Sequence[int]) -> list[Sequence[int]]:
    """JOB_CHUNK_SIZE items each, more where that would make more than JOB_CHUNKS tasks."""
    size = max(settings.JOB_CHUNK_SIZE, -(-len(items) // settings.JOB_CHUNKS))
    return [items[first : first + size] for first in range(0, len(items), size)]


def _write_items(job: Job, cost: Estimate | Turns) -> None:
    if isinstance(cost, Turns):
        JobItem.objects.create(job=job, target=str(KINDS[job.kind].label))
        return
    ids = [pk for pk, _cost in cost.costs]
    chosen = Image.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "bucket__name", "key")
    items = [JobItem(job=job, image_id=pk, target=f"{bucket}/{key}") for pk, bucket, key in chosen]
    JobItem.objects.bulk_create(items, batch_size=INSERT_BATCH)


def _cost(kind: str, options: Mapping[str, Any], images: Sequence[int]) -> Estimate | Turns:
    """Of what is left to do."""
    if KINDS[kind].takes_images:
        return estimate(kind, candidates(images, stale_of=options.get("stale_of")), options)
    return Turns(requests=KINDS[kind].requests(options))


def _first_cost(job: Job, items: QuerySet[JobItem]) -> Estimate | Turns:
    """Of the first image, or of one request of each class: what must fit for the job to get on."""
    if KINDS[job.kind].takes_images:
        return _cost(job.kind, job.options, _images(items)[:1])
    return Turns(requests={cls: 1 for cls, count in job.estimate.items() if count})


def _images(items: QuerySet[JobItem]) -> list[int]:
    """In the order of an estimate; those that are gone are left out."""
    return list(items.filter(image__isnull=False).order_by("image").values_list("image", flat=True))


def _is_paused() -> bool:
    return WorkQueue.objects.filter(paused_at__isnull=False).exists()


def _dispatch_on_commit(job: Job) -> None:
    """Or finish at once what has nothing to run; what is running sees to that itself."""
    if job.items.filter(state=JobItem.State.QUEUED).exists():
        transaction.on_commit(partial(hand_over, job.pk))
    if job.items.open().exists():
        return
    parked = job.items.filter(state=JobItem.State.PARKED).exists()
    state = Job.State.PARKED if parked else Job.State.FINISHED
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=None if parked else timezone.now())
