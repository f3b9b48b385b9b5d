"""Starting jobs and handing their items to django-q2."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from media_catalog.models import Image, Job, JobItem

from .kinds import KINDS

RUN_CHUNK = "media_catalog.jobs.runner.run_chunk"  # stored with queued tasks: a public contract


def start(
    *,
    kind: str,
    user: User | None,
    images: Iterable[int] = (),
    scope: str = "",
    options: dict[str, Any] | None = None,
    estimate: dict[str, int] | None = None,
) -> Job:
    """Create a job with one item for each image (ids), in the caller's transaction, and dispatch it on commit.

    Ids without an image are left out. A kind that takes no images gets a single item.
    """
    with transaction.atomic():
        job = Job.objects.create(
            kind=kind, requested_by=user, scope=scope, options=options or {}, estimate=estimate or {}
        )
        if KINDS[kind].takes_images:
            chosen = Image.objects.filter(pk__in=list(images)).order_by("pk").values_list("pk", "bucket__name", "key")
            items = [JobItem(job=job, image_id=pk, target=f"{bucket}/{key}") for pk, bucket, key in chosen]
        else:
            items = [JobItem(job=job, target=str(KINDS[kind].label))]
        JobItem.objects.bulk_create(items, batch_size=500)
        if not items:
            Job.objects.filter(pk=job.pk).update(state=Job.State.FINISHED, finished_at=timezone.now())
        transaction.on_commit(partial(dispatch, job.pk))
    return job


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


def _chunks(items: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))
