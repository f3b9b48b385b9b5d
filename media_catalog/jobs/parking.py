"""What a job begins with when the limits do not allow all of it, and until when the rest waits."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings

from media_catalog.exceptions import QuotaRefused, QuotaShort, Shortfall
from media_catalog.models import Job, JobItem, Reservation
from media_catalog.quota import reservations
from media_catalog.quota.estimate import Estimate, Turns
from media_catalog.services.sentences import sentence

LOOKS = 4  # at what is left, before a job that does not fit is parked as a whole


def begin(job: Job, cost: Estimate | Turns, *, park: bool) -> None:
    """Reserve for all that waits, or with `park` for as much as fits. Raises QuotaShort without `park`."""
    try:
        _reserve(job, cost.requests)
    except QuotaShort as short:
        if not park:
            raise
        _park(job, cost, short, begun=_reserve_fitting(job, cost, short))


def must_wait(job: Job, cost: Estimate | Turns) -> bool:
    """Whether nothing of what a parked job waits with fits now. Then it notes until when it waits."""
    short = reservations.missing(cost.requests, bulk=True)
    if not short or cost.within(reservations.left(short)):
        return False
    until = waits_until(cost, short)
    if until != job.parked_until:
        Job.objects.filter(pk=job.pk, state=Job.State.PARKED).update(parked_until=until)
    return True


def waits_until(cost: Estimate | Turns, short: Sequence[Shortfall]) -> datetime | None:
    """When something of what does not fit now does; None when that takes higher limits."""
    if reservations.never(cost.least):
        return None
    return reservations.reset(reservations.missing(cost.least, bulk=True) or short)


def _reserve_fitting(job: Job, cost: Estimate | Turns, short: QuotaShort) -> Estimate | Turns | None:
    """Reserve for as much as fits, and return what that is.

    None also when others take the units before us each time that we look.
    """
    for _look in range(LOOKS):
        fits = cost.within(reservations.left(short.shortfalls))
        if fits is None:
            return None
        try:
            _reserve(job, fits.requests)
        except QuotaShort as taken:
            short = taken
        else:
            return fits
    return None


def _park(job: Job, cost: Estimate | Turns, short: QuotaShort, *, begun: Estimate | Turns | None) -> None:
    """Park the images that were not begun. Work in turns that was begun is parked when its units are spent."""
    if isinstance(begun, Turns):
        return
    waiting = job.items.filter(state=JobItem.State.QUEUED)
    if begun:
        waiting = waiting.exclude(image__in=[pk for pk, _cost in begun.costs])
    said = sentence(QuotaRefused(short.shortfalls[0]))
    waiting.update(state=JobItem.State.PARKED, dispatched_at=None, code=QuotaRefused.code, message=said)
    Job.objects.filter(pk=job.pk).update(parked_until=waits_until(cost, short.shortfalls))


def _reserve(job: Job, requests: Mapping[str, int]) -> None:
    if not any(requests.values()):
        return
    reservation = reservations.reserve(
        kind=Reservation.Kind.JOB, units=requests, seconds=settings.QUOTA_RESERVATION_SECONDS, bulk=True
    )
    Job.objects.filter(pk=job.pk).update(reservation=reservation)
