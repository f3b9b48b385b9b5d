"""The shared rate limit: slots in time, slower after a throttled answer, and back again."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from media_catalog.models import Pace
from media_catalog.quota import pace

pytestmark = pytest.mark.database


@pytest.mark.django_db(transaction=True)
def test_all_together_ask_no_faster_than_the_ceiling(settings):
    settings.REKOGNITION_PER_SECOND = 20
    moments: list[float] = []

    def ask() -> None:
        for _number in range(4):
            pace.wait("rekognition", patience=10)
            moments.append(time.monotonic())
        connection.close()

    threads = [threading.Thread(target=ask) for _number in range(3)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(moments) == 12
    # From the beginning, as a thread may be late in noting the first turn.
    assert max(moments) - began >= 11 / 20


def test_slots_that_nobody_used_are_not_kept(db, settings):
    settings.REKOGNITION_PER_SECOND = 1
    Pace.objects.create(service="rekognition", per_second=1, next_at=timezone.now() - timedelta(hours=1))

    pace.wait("rekognition", patience=0)

    assert Pace.objects.get().next_at > timezone.now()


def test_whoever_would_wait_too_long_is_told_so_and_takes_no_slot(db, settings):
    settings.REKOGNITION_PER_SECOND = 1
    later = timezone.now() + timedelta(minutes=1)
    Pace.objects.create(service="rekognition", per_second=1, next_at=later)

    with pytest.raises(pace.TooFarAhead):
        pace.wait("rekognition", patience=20)

    assert Pace.objects.get().next_at == later


def _slower() -> float:
    """Told again, a little later."""
    Pace.objects.update(slowed_at=timezone.now() - pace.SAME_TIME)
    return pace.slow_down("rekognition")


def test_halves_when_told_to_and_doubles_with_time(db, settings):
    settings.REKOGNITION_PER_SECOND = 8
    assert [pace.slow_down("rekognition") for _time in range(3)] == [4, 4, 4]  # told at the same time
    assert [_slower() for _time in range(3)] == pytest.approx([2, 1, 0.5], rel=0.1)
    assert [_slower() for _time in range(9)][-1] == pace.SLOWEST

    row = Pace(service="x", per_second=1, slowed_at=timezone.now())
    rates = [
        row.rate(now=row.slowed_at + timedelta(seconds=seconds), ceiling=8, double_seconds=30)
        for seconds in (0, 30, 60, 90, 10**7)
    ]
    assert rates == [1, 2, 4, 8, 8]
