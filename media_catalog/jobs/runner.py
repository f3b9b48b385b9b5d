"""What a worker does with a chunk of items.

django-q2 delivers at least once; the claim makes each item run once at a time, and the services are idempotent, so
what a killed worker had begun is completed, not repeated. What a stopping worker does not finish is put back.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.aws.deadline import deadline
from media_catalog.exceptions import BackofficeError, QuotaRefused
from media_catalog.models import Image, Job, JobItem
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute
from media_catalog.services.sentences import sentence

from . import cluster, holder
from .enqueue import dispatch
from .kinds import KINDS, Outcome

logger = logging.getLogger(__name__)
LEASE_SHARE = 0.8  # of the lease for AWS calls, so that an item ends before somebody else may take it


def run_chunk(job_id: int, item_ids: Sequence[int]) -> None:
    """Run the items that are still queued. What is left when JOB_CHUNK_SECONDS are over becomes a new task.

    What is left when the worker stops is dispatched by the recovery of the next one.
    """
    job = Job.objects.select_related("requested_by").filter(pk=job_id).first()
    if job is None:
        return
    Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(state=Job.State.RUNNING, started_at=timezone.now())
    if job.reservation_id:
        reservations.renew(job.reservation_id, seconds=settings.QUOTA_RESERVATION_SECONDS)
    queued = JobItem.objects.filter(pk__in=item_ids, state=JobItem.State.QUEUED)
    queued.update(worker=holder.me())  # should this process die, its task dies too
    try:
        with meter.leasing(job.reservation_id):
            _run_items(job, item_ids)
    finally:
        left = queued.filter(worker=holder.me()).put_back()
    if left and not cluster.stopping():
        dispatch(job_id)
    finish_if_done(job_id)


def claim(item_id: int) -> bool:
    """Take a queued item for JOB_ITEM_SECONDS; False when somebody else has it or it is over."""
    now = timezone.now()
    lease_until = now + timedelta(seconds=settings.JOB_ITEM_SECONDS)
    return JobItem.objects.claim(item_id, worker=holder.me(), now=now, lease_until=lease_until)


def finish_if_done(job_id: int) -> None:
    """When no item is open: give back the rest of the reservation, and mark the job as finished, or as parked.

    Of several workers at the end, one update counts.
    """
    if JobItem.objects.open().filter(job=job_id).exists():
        return
    with transaction.atomic():
        # Under the lock that `resume` takes too: the job may have gone on since the look above.
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.state not in (Job.State.QUEUED, Job.State.RUNNING) or job.items.open().exists():
            return
        if job.reservation_id:
            reservations.close(job.reservation_id)
        parked = job.items.filter(state=JobItem.State.PARKED).exists()
        state = Job.State.PARKED if parked else Job.State.FINISHED
        Job.objects.filter(pk=job_id).update(state=state, finished_at=None if parked else timezone.now())


def _run_items(job: Job, item_ids: Sequence[int]) -> None:
    until = time.monotonic() + settings.JOB_CHUNK_SECONDS
    for item_id in item_ids:
        if cluster.stopping() or time.monotonic() > until:
            return
        if claim(item_id):
            _run_item(job, item_id)


def _run_item(job: Job, item_id: int) -> None:
    item = JobItem.objects.get(pk=item_id)
    username = job.requested_by.get_username() if job.requested_by else ""
    with (
        attribute(username=username, job_kind=job.kind, job=job.pk, action="job"),
        deadline(settings.JOB_ITEM_SECONDS * LEASE_SHARE),
        meter.tally() as tally,
    ):
        outcome = _outcome_unless_stopped(job, item)
    _settle(item, outcome, tally)
    Job.objects.filter(pk=job.pk).update(heartbeat=timezone.now())


def _settle(item: JobItem, outcome: Outcome | None, spent: Counter[str]) -> None:
    """Add up what the attempt spent, and write how it ended unless somebody else has taken the item meanwhile.

    Without an outcome the item is put back and the attempt does not count.
    """
    with transaction.atomic():
        row = JobItem.objects.select_for_update().filter(pk=item.pk).first()
        if row is None:
            return
        row.requests = dict(Counter(row.requests) + spent)
        row.save(update_fields=["requests"])
        mine = JobItem.objects.filter(
            pk=item.pk, state=JobItem.State.RUNNING, attempts=item.attempts, worker=item.worker
        )
        if outcome is None:
            mine.update(state=JobItem.State.QUEUED, attempts=item.attempts - 1, lease_until=None)
        else:
            mine.update(
                state=outcome.state,
                code=outcome.code,
                message=outcome.message,
                finished_at=timezone.now(),
                lease_until=None,
            )


def _outcome_unless_stopped(job: Job, item: JobItem) -> Outcome | None:
    """None when the worker must stop and the item was cut off, or failed, as S3 may be stopping at the same time."""
    try:
        with cluster.interruptible():
            outcome = _outcome(job, item)
    except cluster.Interrupted:
        connection.close()  # in whatever state it was cut off
        return None
    return None if outcome.state == JobItem.State.FAILED and cluster.stopping() else outcome


def _outcome(job: Job, item: JobItem) -> Outcome:
    kind = KINDS[job.kind]
    image = None
    if kind.takes_images and item.image_id:
        image = Image.objects.select_related("bucket__renditions_bucket").filter(pk=item.image_id).first()
    if kind.takes_images and image is None:
        return _gone(job.kind)
    try:
        return kind.run(image, job.options)
    except QuotaRefused as error:
        return _refused(job, error)
    except BackofficeError as error:
        logger.warning("item %s of job %s failed: %s", item.pk, job.pk, error)
        return Outcome(state=JobItem.State.FAILED, code=error.code, message=sentence(error))
    except Exception:  # one bad item must not take the rest of its chunk along
        logger.exception("item %s of job %s failed", item.pk, job.pk)
        return Outcome(
            state=JobItem.State.FAILED,
            code="internal",
            message=_("An internal error. The log has the details."),
        )


def _refused(job: Job, error: QuotaRefused) -> Outcome:
    """The item waits: until another worker gives back what it holds, the limit is raised, or the period ends."""
    if not KINDS[job.kind].takes_images:
        return Outcome(state=JobItem.State.FAILED, code=error.code, message=sentence(error))
    Job.objects.filter(pk=job.pk).update(parked_until=reservations.reset([error.shortfall]))
    return Outcome(state=JobItem.State.PARKED, code=error.code, message=sentence(error))


def _gone(kind: str) -> Outcome:
    """For a removal that was cut off after its last step, gone means done."""
    if kind == "remove_images":
        return Outcome(state=JobItem.State.DONE, message=_("Removed."))
    return Outcome(state=JobItem.State.SKIPPED, code="gone", message=_("The image was removed meanwhile."))
