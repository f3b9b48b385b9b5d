"""Starting jobs: the estimate is reserved, the items are written, and django-q2 gets them on commit."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from media_catalog.exceptions import QuotaRefused, QuotaShort
from media_catalog.models import Image, Job, JobItem, Reservation
from media_catalog.quota import reservations
from media_catalog.quota.estimate import Estimate, estimate
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import sentence

from .kinds import KINDS

RUN_CHUNK = "media_catalog.jobs.runner.run_chunk"  # stored with queued tasks: a public contract


def start(
    *,
    kind: str,
    user: User | None,
    images: Iterable[int] = (),
    scope: str = "",
    options: Mapping[str, bool] | None = None,
    park: bool = False,
) -> Job:
    """Reserve what a job will cost and start it, with one item for each image (ids), on the caller's commit.

    Ids without an image are left out; a kind that takes no images gets a single item. When the limits do not allow
    it: raises QuotaShort and nothing is started, or, with `park`, as many images as fit run now and the rest waits
    for the reset of the limit in the way.
    """
    options = dict(options or {})
    ids = sorted(set(images))
    with transaction.atomic():
        cost = estimate(kind, candidates(ids), options) if KINDS[kind].takes_images else None
        job = Job.objects.create(
            kind=kind,
            requested_by=user,
            scope=scope,
            options=options,
            estimate=cost.requests if cost else KINDS[kind].requests,
        )
        _write_items(job, [pk for pk, _cost in cost.costs] if cost else None)
        if cost:
            _begin(job, cost, park=park)
        else:
            _reserve(job, KINDS[kind].requests)
        _dispatch_on_commit(job)
    return job


def resume(job: Job) -> int:
    """Start those parked items of a job that fit now; the rest is parked again. Returns how many start."""
    with transaction.atomic():
        held = Job.objects.select_for_update().filter(pk=job.pk, state=Job.State.PARKED)
        if not held.exists():
            return 0
        parked = job.items.filter(state=JobItem.State.PARKED)
        ids = [pk for pk in parked.values_list("image", flat=True) if pk]
        cost = estimate(job.kind, candidates(ids), job.options)
        short = reservations.missing(cost.requests, bulk=True)
        if short and not cost.fitting(reservations.left(short)):
            return 0
        parked.update(state=JobItem.State.QUEUED, code="", message="", dispatched_at=None)
        held.update(state=Job.State.QUEUED, parked_until=None)
        _begin(job, cost, park=True)
        started = job.items.filter(state=JobItem.State.QUEUED).count()
        _dispatch_on_commit(job)
    return started


def dispatch(job_id: int) -> int:
    """Hand the items of a job that wait and are not on their way to the workers, in chunks; returns how many items."""
    waiting = JobItem.objects.filter(job=job_id, state=JobItem.State.QUEUED, dispatched_at=None)
    with transaction.atomic():
        # Locked, so that of two who dispatch at the same time the second finds nothing.
        items = list(waiting.select_for_update().order_by("pk").values_list("pk", flat=True))
        for chunk in _chunks(items, settings.JOB_CHUNK_SIZE):
            async_task(RUN_CHUNK, job_id, list(chunk))
            JobItem.objects.filter(pk__in=chunk).update(dispatched_at=timezone.now())
        Job.objects.filter(pk=job_id).update(heartbeat=timezone.now())
    return len(items)


def _write_items(job: Job, ids: Sequence[int] | None) -> None:
    if ids is None:
        JobItem.objects.create(job=job, target=str(KINDS[job.kind].label))
        return
    chosen = Image.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "bucket__name", "key")
    items = [JobItem(job=job, image_id=pk, target=f"{bucket}/{key}") for pk, bucket, key in chosen]
    JobItem.objects.bulk_create(items, batch_size=500)


def _begin(job: Job, cost: Estimate, *, park: bool) -> None:
    """Reserve for all items, or with `park` for as many as fit. Raises QuotaShort without `park`."""
    try:
        _reserve(job, cost.requests)
    except QuotaShort as short:
        if not park:
            raise
        fitting = cost.costs[: cost.fitting(reservations.left(short.shortfalls))]
        _reserve(job, Estimate(costs=fitting).requests)
        _park(job, short, running=[pk for pk, _cost in fitting])


def _park(job: Job, short: QuotaShort, *, running: Sequence[int]) -> None:
    waiting = job.items.filter(state=JobItem.State.QUEUED).exclude(image__in=running)
    said = sentence(QuotaRefused(short.shortfalls[0]))
    waiting.update(state=JobItem.State.PARKED, dispatched_at=None, code=QuotaRefused.code, message=said)
    Job.objects.filter(pk=job.pk).update(parked_until=reservations.reset(short.shortfalls))


def _reserve(job: Job, requests: Mapping[str, int]) -> None:
    if not any(requests.values()):
        return
    reservation = reservations.reserve(
        kind=Reservation.Kind.JOB, units=requests, seconds=settings.QUOTA_RESERVATION_SECONDS, bulk=True
    )
    Job.objects.filter(pk=job.pk).update(reservation=reservation)


def _dispatch_on_commit(job: Job) -> None:
    """Or finish at once what has nothing to run."""
    if job.items.filter(state=JobItem.State.QUEUED).exists():
        transaction.on_commit(partial(dispatch, job.pk))
        return
    parked = job.items.filter(state=JobItem.State.PARKED).exists()
    state = Job.State.PARKED if parked else Job.State.FINISHED
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=None if parked else timezone.now())


def _chunks(items: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))
