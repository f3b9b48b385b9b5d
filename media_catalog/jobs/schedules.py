"""What runs by the clock: recovery after killed workers, and the sweep of uploads."""

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.models import Schedule

from media_catalog.models import Job, JobItem
from media_catalog.quota import reservations
from media_catalog.quota.attribution import attribute
from media_catalog.services import uploads

from .enqueue import dispatch, resume
from .runner import finish_if_done

logger = logging.getLogger(__name__)
EVERY_MINUTE = {
    "quota": "media_catalog.jobs.schedules.keep_quota",
    "parked": "media_catalog.jobs.schedules.start_parked",
    "recover": "media_catalog.jobs.schedules.recover",
    "settle uploads": "media_catalog.jobs.schedules.settle_uploads",
}


def install() -> None:
    """Create the schedules that are missing. Idempotent."""
    for name, func in EVERY_MINUTE.items():
        Schedule.objects.update_or_create(
            name=name, defaults={"func": func, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
        )


def recover() -> int:
    """Put back items whose worker died and dispatch jobs that nobody works on; returns how many items were put back.

    A job without a heartbeat for a whole lease has no living worker and nothing on its way: it was never
    dispatched, or its task was lost.
    """
    now = timezone.now()
    expired = JobItem.objects.filter(state=JobItem.State.RUNNING, lease_until__lt=now)
    jobs = set(expired.values_list("job", flat=True))
    expired.filter(attempts__gte=settings.JOB_ITEM_ATTEMPTS).update(
        state=JobItem.State.FAILED,
        code="worker_died",
        message=_("The worker stopped each time it worked on this."),
        lease_until=None,
        finished_at=now,
    )
    put_back = expired.update(state=JobItem.State.QUEUED, lease_until=None)
    silent = now - timedelta(seconds=settings.JOB_ITEM_SECONDS + settings.JOB_CHUNK_SECONDS)
    at_work = Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])
    jobs |= set(at_work.filter(heartbeat__lt=silent).values_list("pk", flat=True))
    for job in jobs:
        logger.warning("job %s dispatched again", job)
        dispatch(job)
        finish_if_done(job)
    return put_back


def keep_quota() -> tuple[int, int]:
    """Renew the reservations of jobs that wait or run, write off what dead processes held, close what nobody renews."""
    waiting = Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING], reservation__closed_at=None)
    for reservation in waiting.exclude(reservation=None).values_list("reservation", flat=True):
        reservations.renew(reservation, seconds=settings.QUOTA_RESERVATION_SECONDS)
    return reservations.sweep()


def start_parked() -> int:
    """Start what was parked until now, as far as it fits; returns how many jobs went on."""
    due = Job.objects.filter(state=Job.State.PARKED, parked_until__lte=timezone.now()).order_by("pk")
    return sum(bool(resume(job)) for job in due)


def settle_uploads() -> int:
    """Finish or undo uploads that a dead process left open."""
    with attribute(action="settle uploads"):
        return uploads.settle_stale()
