"""What runs by the clock, as tasks of django-q2: the sweeps of uploads and leftovers."""

import logging

from django.conf import settings
from django.utils.translation import gettext as _
from django_q.models import Schedule

from media_catalog.aws.deadline import deadline
from media_catalog.models import Job
from media_catalog.quota import reservations
from media_catalog.quota.attribution import attribute
from media_catalog.services import direct_uploads, removal, uploads

from .enqueue import resume, start

logger = logging.getLogger(__name__)
HOUSEKEEPING = "housekeeping"  # a kind of work, not of job: like jobs it leaves the headroom of limits alone
EVERY_MINUTE = {
    "quota": "media_catalog.jobs.schedules.keep_quota",
    "parked": "media_catalog.jobs.schedules.start_parked",
    "settle uploads": "media_catalog.jobs.schedules.settle_uploads",
    "delete leftovers": "media_catalog.jobs.schedules.delete_leftovers",
}


def install() -> None:
    """Create the schedules that are missing and remove those that are no more. Idempotent."""
    Schedule.objects.filter(func__startswith=f"{__name__}.").exclude(func__in=EVERY_MINUTE.values()).delete()
    for name, func in EVERY_MINUTE.items():
        Schedule.objects.update_or_create(
            name=name, defaults={"func": func, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
        )


def keep_quota() -> tuple[int, int]:
    """Renew the reservations of jobs that wait or run, write off what dead processes held, close what nobody renews."""
    waiting = Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING], reservation__closed_at=None)
    for reservation in waiting.exclude(reservation=None).values_list("reservation", flat=True):
        reservations.renew(reservation, seconds=settings.QUOTA_RESERVATION_SECONDS)
    return reservations.sweep()


def start_parked() -> int:
    """Go on with parked jobs as far as it fits now; returns how many went on.

    All are tried, not only those whose time has come: a limit may have been raised, or units given back.
    """
    return sum(bool(_resume(job)) for job in Job.objects.filter(state=Job.State.PARKED).order_by("pk"))


def _resume(job: Job) -> int:
    """One bad job must not keep those behind it."""
    try:
        return resume(job)
    except Exception:
        logger.exception("job %s stays parked", job)
        return 0


def settle_uploads() -> int:
    """Finish or undo uploads that a dead process left open; returns how many images became known by it.

    They are new to the catalogue, so one job makes their renditions.
    """
    with attribute(action="settle uploads", job_kind=HOUSEKEEPING):
        found = [*uploads.settle_stale(), *direct_uploads.expire()]
    if found:
        start(kind="make_renditions", user=None, images=found, scope=_("Recovered uploads"), park=True)
    return len(found)


def delete_leftovers() -> int:
    """Delete objects that nobody needs and that could not be deleted at once; returns how many are settled."""
    with attribute(action="delete leftovers", job_kind=HOUSEKEEPING), deadline(settings.JOB_CHUNK_SECONDS):
        return removal.sweep()
