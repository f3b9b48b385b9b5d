"""What staff do with jobs that exist: cancel, pause, resume, delete; and the queue as a whole."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.models import AuditEvent, Job, JobItem, WorkQueue
from media_catalog.quota import audit, reservations

from .ending import cancel_waiting, finish_if_done
from .enqueue import go_on, hand_over
from .kinds import KINDS
from .progress import progress


def cancel(job: Job, *, by: str) -> int | None:
    """Let no further item start; returns how many are cancelled. What has begun ends, and then the job does.

    What is reserved is given back at once, but for what workers have in hand. None when the job is over or cancelled
    already.
    """
    now = timezone.now()
    with transaction.atomic():
        held = Job.objects.select_for_update().filter(pk=job.pk, cancelled_at=None).exclude(state__in=Job.OVER)
        found = held.first()
        if found is None:
            return None
        Job.objects.filter(pk=job.pk).update(cancelled_at=now, cancelled_by=by, parked_until=None)
        cancelled = cancel_waiting(job.pk)
        if found.reservation_id:
            reservations.close(found.reservation_id)
    finish_if_done(job.pk)
    return cancelled


def pause(job: Job) -> bool:
    """Let no further item start until `resume`, and give back what is reserved. False when it is paused or over."""
    with transaction.atomic():
        held = Job.objects.select_for_update().filter(pk=job.pk, cancelled_at=None).exclude(state__in=Job.OVER)
        paused = held.exclude(state=Job.State.PAUSED).first()
        if paused is None:
            return False
        held.update(state=Job.State.PAUSED)
        if paused.reservation_id:
            reservations.close(paused.reservation_id)
    return True


def resume(job: Job) -> bool:
    """Go on with a paused job as far as the limits allow; the rest is parked. False when it was not paused."""
    paused = Job.objects.filter(pk=job.pk, state=Job.State.PAUSED, cancelled_at=None).first()
    if paused is None:
        return False
    go_on(paused)
    finish_if_done(job.pk)
    return True


def delete(job: Job, *, by: str) -> None:
    """Delete a job that is over, with its items. An audit row and the usage keep what it was. ValueError otherwise."""
    with transaction.atomic():
        held = Job.objects.select_for_update().get(pk=job.pk)
        if not held.is_over:
            raise ValueError(f"job {job} is not over")
        audit.note(AuditEvent.Action.JOB_DELETED, target=str(held), username=by, before=_summary(held))
        held.delete()


def pause_queue(*, by: str) -> bool:
    """Let no item of any job start. False when it is paused already."""
    WorkQueue.objects.get_or_create(pk=WorkQueue.ONLY)
    with transaction.atomic():
        if not WorkQueue.objects.filter(paused_at=None).update(paused_at=timezone.now(), paused_by=by):
            return False
        audit.note(AuditEvent.Action.QUEUE_PAUSED, target=_("Queue"), username=by)
    return True


def resume_queue(*, by: str) -> bool:
    """Go on with all jobs. False when it is not paused."""
    with transaction.atomic():
        if not WorkQueue.objects.exclude(paused_at=None).update(paused_at=None, paused_by=""):
            return False
        audit.note(AuditEvent.Action.QUEUE_RESUMED, target=_("Queue"), username=by)
    hand_over()
    return True


def under_way(kind: str, bucket: int) -> Job | None:
    """The job of this kind for the bucket (id) that is not over, if there is one."""
    return Job.objects.exclude(state__in=Job.OVER).filter(kind=kind, options__bucket=bucket).order_by("pk").first()


def queue_paused() -> WorkQueue | None:
    """Who has paused the queue, and when; None when it is not paused."""
    return WorkQueue.objects.exclude(paused_at=None).first()


def _summary(job: Job) -> dict[str, Any]:
    now = progress(job)
    return {
        "kind": str(KINDS[job.kind].label) if job.kind in KINDS else job.kind,
        "scope": job.scope,
        "requested by": job.requester,
        "requested": job.created_at.isoformat(),
        "state": job.state,
        **{state: getattr(now, state) for state in JobItem.State.values if getattr(now, state)},
    }
