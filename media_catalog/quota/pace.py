"""How fast all processes together may ask a service: slots in time, handed out one after the other.

The pace is halved when the service asks to slow down, and doubles again with time, up to the ceiling in the settings.
"""

import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from media_catalog.models import Pace

DOUBLE_SECONDS = 30.0
SLOWEST = 0.1  # requests per second
SAME_TIME = timedelta(seconds=1)


class TooFarAhead(Exception):
    """So many wait that it is better to come back later."""


def wait(service: str, *, patience: float) -> None:
    """Sleep until it is our turn to ask the service; TooFarAhead when that is more than `patience` seconds away."""
    ceiling = _ceiling(service)
    with transaction.atomic():
        pace = _locked(service)
        # Not before the lock: who waited long for it would send right behind the next.
        now = timezone.now()
        rate = pace.rate(now=now, ceiling=ceiling, double_seconds=DOUBLE_SECONDS)
        mine = max(pace.next_at, now)
        seconds = (mine - now).total_seconds()
        if seconds > patience:
            raise TooFarAhead(service)
        pace.next_at = mine + timedelta(seconds=1 / rate)
        pace.save(update_fields=["next_at"])
    time.sleep(seconds)


def slow_down(service: str) -> float:
    """Halve the pace, once for all who are told so at the same time; returns requests per second."""
    now = timezone.now()
    with transaction.atomic():
        pace = _locked(service)
        if pace.slowed_at and now < pace.slowed_at + SAME_TIME:
            return pace.per_second
        rate = pace.rate(now=now, ceiling=_ceiling(service), double_seconds=DOUBLE_SECONDS)
        pace.per_second = max(SLOWEST, rate / 2)
        pace.slowed_at = now
        pace.save(update_fields=["per_second", "slowed_at"])
    return pace.per_second


def _ceiling(service: str) -> float:
    ceilings = {"rekognition": settings.REKOGNITION_PER_SECOND}
    return ceilings[service]


def _locked(service: str) -> Pace:
    defaults = {"per_second": _ceiling(service), "next_at": timezone.now()}
    Pace.objects.get_or_create(service=service, defaults=defaults)
    return Pace.objects.select_for_update().get(service=service)
