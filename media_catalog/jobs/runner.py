"""What a worker does with a chunk of items.

django-q2 delivers at least once; the claim makes each item run once at a time, and the services are idempotent, so
what a killed worker had begun is completed, not repeated. What a stopping worker does not finish is put back.
"""

import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.aws.deadline import deadline
from media_catalog.imaging.apart import at_most
from media_catalog.models import Job, JobItem
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute
from media_catalog.statements import alone

from . import cluster, holder, restored
from .attempts import outcome_of
from .ending import finish_if_done
from .enqueue import hand_over
from .kinds import KINDS, Outcome

logger = logging.getLogger(__name__)
LEASE_SHARE = 0.8  # of the lease for AWS calls and decoders, so that an item ends before somebody else may take it
BEAT_SECONDS = 1.0  # between two signs of life in the job's row, which all its workers write
TURN_SECONDS = 1.0  # until an item is looked at again whose image another job is working at


def run_chunk(job_id: int, item_ids: Sequence[int]) -> None:
    """Run the items that are still queued. What is left when JOB_CHUNK_SECONDS are over becomes a new task.

    What is left when the worker stops is dispatched by the recovery of the next one. A fault that is no item's own, as
    when the database is away, ends this process: only what the dead hold is certainly nobody's, and put back.
    """
    try:
        _run_chunk(job_id, item_ids)
    except Exception:
        logger.exception("a chunk of job %s was left", job_id)
        sys.exit(1)


def _run_chunk(job_id: int, item_ids: Sequence[int]) -> None:
    job = Job.objects.select_related("requested_by").filter(pk=job_id).first()
    if job is None or not _may_run(job):
        return
    Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(state=Job.State.RUNNING, started_at=timezone.now())
    if job.reservation_id:
        reservations.renew(job.reservation_id, seconds=settings.QUOTA_RESERVATION_SECONDS)
    queued = JobItem.objects.filter(pk__in=item_ids, state=JobItem.State.QUEUED)
    queued.update(worker=holder.me())  # should this process die, its task dies too
    try:
        with meter.leasing(job.reservation_id, needs=_needs(job, len(item_ids))):
            _run_items(job, item_ids)
    finally:
        left = queued.filter(worker=holder.me()).put_back()
    if left and not cluster.stopping():
        hand_over(job_id)
    finish_if_done(job_id)


def claim(item_id: int) -> bool:
    """Take a queued item for JOB_ITEM_SECONDS; False when somebody else has it, it is over, or it may not run now."""
    now = timezone.now()
    lease_until = now + timedelta(seconds=settings.JOB_ITEM_SECONDS)
    try:
        with alone():
            return JobItem.objects.claim(item_id, worker=holder.me(), now=now, lease_until=lease_until)
    except IntegrityError:  # another job has the image: this item takes its turn later
        not_before = now + timedelta(seconds=TURN_SECONDS)
        JobItem.objects.filter(pk=item_id, state=JobItem.State.QUEUED).update(not_before=not_before)
        return False


def _may_run(job: Job) -> bool:
    """Whether its requester may still have it run; if not, what waits fails with that reason, and the job ends."""
    user = job.requested_by
    if not job.requester:  # the product's own
        return True
    if (
        user
        and job.kind in KINDS
        and user.is_active
        and user.is_staff
        and any(map(user.has_perm, KINDS[job.kind].permissions))
    ):
        return True
    job.items.filter(state=JobItem.State.QUEUED).update(
        state=JobItem.State.FAILED,
        code="not_permitted",
        message=_("The account “%(user)s” may not do this any more.") % {"user": job.requester},
        finished_at=timezone.now(),
    )
    finish_if_done(job.pk)
    return False


def _needs(job: Job, count: int) -> dict[str, int]:
    """Requests that so many items of the job will take, by its estimate."""
    total = max(count, job.items.count()) or 1
    return {request_class: -(-requests * count // total) for request_class, requests in job.estimate.items()}


def _run_items(job: Job, item_ids: Sequence[int]) -> None:
    until = time.monotonic() + settings.JOB_CHUNK_SECONDS
    beat = 0.0
    for item_id in item_ids:
        if cluster.stopping() or time.monotonic() > until:
            return
        if claim(item_id):
            _run_item(job, item_id)
        if time.monotonic() > beat + BEAT_SECONDS:
            beat = time.monotonic()
            # Cancelled or paused: no use in asking for each of the others. Paused and resumed: what is reserved for
            # them is another reservation.
            mine = Job.objects.filter(pk=job.pk, state__in=Job.ACTIVE, cancelled_at=None)
            if not mine.filter(reservation=job.reservation_id).update(heartbeat=timezone.now()):
                return


def _run_item(job: Job, item_id: int) -> None:
    item = JobItem.objects.select_related("image__bucket__renditions_bucket").get(pk=item_id)
    with (
        attribute(username=job.requester, job_kind=job.kind, job=job.pk, action="job"),
        deadline(settings.JOB_ITEM_SECONDS * LEASE_SHARE),
        at_most(settings.JOB_ITEM_SECONDS * LEASE_SHARE),
        meter.tally() as tally,
    ):
        outcome = _outcome_unless_stopped(job, item)
    _settle(item, outcome, tally)
    if job.kind == "restore" and outcome and outcome.state != JobItem.State.QUEUED:
        restored.follow_up(job.options["run"])


def _settle(item: JobItem, outcome: Outcome | None, spent: Counter[str]) -> None:
    """Write how the attempt ended, and what all have spent, unless somebody else has taken the item meanwhile.

    Without an outcome the item is put back and the attempt does not count.
    """
    end = _end(item, outcome)
    mine = JobItem.objects.filter(pk=item.pk, state=JobItem.State.RUNNING, attempts=item.attempts, worker=item.worker)
    if mine.filter(requests=item.requests).update(requests=_added(item.requests, spent), **end):
        return
    with transaction.atomic():
        row = JobItem.objects.select_for_update().filter(pk=item.pk).first()
        if row is not None:
            JobItem.objects.filter(pk=item.pk).update(requests=_added(row.requests, spent))
            mine.update(**end)


def _added(requests: dict[str, int], spent: Counter[str]) -> dict[str, int]:
    return dict(Counter(requests) + spent)


def _end(item: JobItem, outcome: Outcome | None) -> dict[str, Any]:
    """The columns that change."""
    if outcome is None:
        return {"state": JobItem.State.QUEUED, "attempts": item.attempts - 1, "lease_until": None}
    now = timezone.now()
    said = {"state": outcome.state, "code": outcome.code, "message": outcome.message, "lease_until": None}
    if outcome.state == JobItem.State.QUEUED:
        not_before = now + timedelta(seconds=outcome.wait)
        waiting = {**said, "not_before": not_before, "dispatched_at": None, "worker": ""}
        return {**waiting, "attempts": 0} if outcome.got_on else waiting  # the faults before are overcome
    if outcome.state == JobItem.State.PARKED:  # the limit was in the way, not a fault
        return {**said, "attempts": item.attempts - 1, "finished_at": None}
    return {**said, "not_before": None, "finished_at": now}


def _outcome_unless_stopped(job: Job, item: JobItem) -> Outcome | None:
    """None when the worker must stop and the item was cut off, or failed, as S3 may be stopping at the same time."""
    try:
        with cluster.interruptible():
            outcome = outcome_of(job, item)
    except cluster.Interrupted:
        connection.close()  # in whatever state it was cut off
        return None
    cut_off = outcome.state in (JobItem.State.FAILED, JobItem.State.QUEUED) and cluster.stopping()
    return None if cut_off else outcome
