"""Units promised ahead: to a job, to presigned uploads, or to an import of announced objects."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from media_catalog.exceptions import QuotaShort, Shortfall
from media_catalog.models import Reservation, UnitBlock

from . import alerts, ledger, usage
from .attribution import Attribution, current
from .books import opened
from .limits import in_force
from .periods import day_of, reset_moment


def reserve(*, kind: str, units: Mapping[str, int], seconds: float, bulk: bool) -> Reservation:
    """Promise units of several classes for so many seconds, renewable: all or nothing.

    `bulk` work leaves the headroom of each limit alone. May run in the caller's transaction. Raises QuotaShort.
    """
    now = timezone.now()
    try:
        with opened(now) as books:
            reservation = Reservation.objects.create(
                kind=kind, username=current().username, lease_until=now + timedelta(seconds=seconds)
            )
            ledger.reserve(books, reservation, units, day_of(now), bulk=bulk)
    except ledger.Short as error:
        raise QuotaShort(error.shortfalls) from error
    return reservation


def missing(units: Mapping[str, int], *, bulk: bool) -> list[Shortfall]:
    """The limits that would stand in the way of reserving these units now. Reserves nothing."""
    now = timezone.now()
    return ledger.shortfalls(units, day_of(now), now=now, bulk=bulk)


def allowances() -> dict[tuple[str, str], int]:
    """What jobs may use in a whole period, by (request class, period), of the limits in force. One query."""
    return {key: limit.limit - limit.headroom for key, limit in in_force(timezone.now()).items()}


def never(units: Mapping[str, int]) -> bool:
    """Whether a job may not use so many in any period, as the limits are."""
    return any(units.get(cls, 0) > allowed for (cls, _period), allowed in allowances().items())


def note_refusal(short: QuotaShort, *, operation: str) -> None:
    """Note and announce a refusal that nobody is told of otherwise: of work that asks by itself."""
    now = timezone.now()
    usage.record_refusal(list(short.shortfalls), operation=operation, who=current(), at=now)
    alerts.announce(ledger.reached(short.shortfalls, day_of(now)))


def left(shortfalls: Iterable[Shortfall]) -> dict[str, int]:
    """Requests left per class, in the tightest of its periods."""
    found: dict[str, int] = {}
    for short in shortfalls:
        found[short.request_class] = min(short.left, found.get(short.request_class, short.left))
    return found


def reset(shortfalls: Iterable[Shortfall]) -> datetime:
    """When all the limits in the way have been reset."""
    today = day_of(timezone.now())
    return max(reset_moment(short.period, today) for short in shortfalls)


def renew(reservation: int, *, seconds: float) -> bool:
    """Say that the holder lives; False when the reservation is closed."""
    until = timezone.now() + timedelta(seconds=seconds)
    return bool(Reservation.objects.filter(pk=reservation, closed_at=None).update(lease_until=until))


def close(reservation: int) -> bool:
    """Give back what was not handed out; False when it was closed before."""
    with opened(timezone.now()) as books:
        return ledger.close(books, reservation)


def drop(reservation: int) -> None:
    """Close it and forget it: for those that nobody asks about later."""
    close(reservation)
    Reservation.objects.filter(pk=reservation).delete()


def sweep() -> tuple[int, int]:
    """Write off the blocks of dead processes and close reservations whose lease has run out.

    Returns (units written off, reservations closed).
    """
    now = timezone.now()
    units = sum(_write_off(block) for block in UnitBlock.objects.filter(lease_until__lt=now).order_by("pk"))
    expired = Reservation.objects.filter(closed_at=None, lease_until__lt=now).values_list("pk", flat=True)
    return units, sum(close(reservation) for reservation in list(expired))


def _write_off(block: UnitBlock) -> int:
    now = timezone.now()
    entry = usage.Entry(
        day=block.day,
        request_class=block.request_class,
        operation=usage.WRITTEN_OFF,
        estimated=True,
        who=Attribution(action=block.process[:80]),
    )
    with opened(now) as books:
        units, crossings = ledger.write_off(books, block)
        if units:
            usage.record({entry: units})
    alerts.announce(crossings)
    return units
