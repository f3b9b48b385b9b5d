"""How jobs end."""

from dataclasses import asdict
from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.models import Job, JobItem
from media_catalog.quota import reservations

from .kinds import KINDS
from .progress import progress


def finish_if_done(job_id: int) -> None:
    """When no item is open: give back the rest of the reservation, and mark the job as over, or as parked.

    Of several workers at the end, one update counts.
    """
    if JobItem.objects.open().filter(job=job_id, job__cancelled_at=None).exists():
        return
    with transaction.atomic():
        # Under the lock that `go_on` and `cancel` take too: the job may have gone on since the look above.
        job = Job.objects.select_for_update().filter(pk=job_id).exclude(state__in=Job.OVER).first()
        if job is None or (job.state == Job.State.PARKED and not job.cancelled_at):
            return
        if job.cancelled_at:
            cancel_waiting(job.pk)  # what was put back since
        if not job.items.open().exists():
            _finish(job)


def cancel_waiting(job_id: int) -> int:
    """Mark the items of a cancelled job that have not begun; returns how many."""
    waiting = JobItem.objects.filter(job=job_id, state__in=[JobItem.State.QUEUED, JobItem.State.PARKED])
    return waiting.update(
        state=JobItem.State.CANCELLED, code="cancelled", message="", not_before=None, finished_at=timezone.now()
    )


def _finish(job: Job) -> None:
    if job.reservation_id:
        reservations.close(job.reservation_id)
    if job.items.filter(state=JobItem.State.PARKED).exists():
        # What was paused goes on when somebody says so, not by itself.
        Job.objects.filter(pk=job.pk, state__in=Job.ACTIVE).update(state=Job.State.PARKED)
        return
    state = Job.State.CANCELLED if job.cancelled_at else Job.State.FINISHED
    Job.objects.filter(pk=job.pk).update(state=state, counts=asdict(progress(job)), finished_at=timezone.now())
    if settings.JOB_FINISHED_EMAIL and job.requested_by and job.requested_by.email:
        transaction.on_commit(partial(_mail, job))


def _mail(job: Job) -> None:
    now = progress(job)
    facts = {"job": job, "kind": KINDS[job.kind].label, "scope": job.scope, "total": now.total, "failed": now.failed}
    subject = _("%(kind)s is over (job %(job)s)") % facts
    text = _("%(scope)s: %(total)d items, %(failed)d of them failed.") % facts
    assert job.requested_by is not None  # noqa: S101
    # A mail server that is away must not fail the item that happens to be the last.
    send_mail(subject, text, None, [job.requested_by.email], fail_silently=True)
