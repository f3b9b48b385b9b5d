"""The books add up whatever happens, in whatever order: random walks, each told by its seed."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone
from pytest_django import Settings

from media_catalog.exceptions import QuotaRefused, QuotaShort
from media_catalog.models import RequestCounter, RequestLimit, Reservation, ReservedUnits, UnitBlock
from media_catalog.quota import meter, reservations

from .ledger import attributed

pytestmark = [pytest.mark.database, pytest.mark.django_db]

OPERATIONS = [("s3", "PutObject"), ("s3", "GetObject")]
CLASSES = ["s3_tier1", "s3_tier2"]
BLOCK_SECONDS = 600


class Walk:
    """Does random things to the quota, and checks the invariants after each."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.random = random.Random(seed)  # not for secrets
        self.now = datetime(2026, 11, 29, 20, tzinfo=UTC)
        monkeypatch.setattr(timezone, "now", lambda: self.now)
        RequestLimit.objects.all().delete()
        for request_class in CLASSES:
            RequestLimit.objects.create(request_class=request_class, period="month", limit=300, headroom=10)
            RequestLimit.objects.create(request_class=request_class, period="day", limit=120)
        self.reservations: list[int] = []
        self.leases: list[meter.Leasing] = []
        self.granted = 0
        self.lowered = False

    def step(self) -> None:
        doing = [self.spend] * 8 + [
            self.lease,
            self.end,
            self.die,
            self.reserve,
            self.close,
            self.sweep,
            self.pass_time,
        ]
        action: Callable[[], object] = self.random.choice([*doing, self.change_limit])
        with suppress(QuotaRefused, QuotaShort):
            action()
        self.check()

    def spend(self) -> None:
        lease = self.random.choice([*self.leases, None])
        token = meter._leasing.set(lease)
        try:
            meter.spend(*self.random.choice(OPERATIONS))
            # What a block that was written off has in hand is in the books already.
            self.granted += 1
        finally:
            meter._leasing.reset(token)

    def lease(self) -> None:
        self.leases.append(meter.Leasing(self.random.choice([*self.reservations, None])))

    def end(self) -> None:
        if self.leases:
            self._pop().end()

    def die(self) -> None:
        if self.leases and self.random.random() < 0.5:
            self._pop()

    def reserve(self) -> None:
        units = {request_class: self.random.randrange(40) for request_class in CLASSES}
        made = reservations.reserve(kind="job", units=units, seconds=self.random.choice([60, 90_000]), bulk=True)
        self.reservations.append(made.pk)

    def close(self) -> None:
        if self.reservations:
            reservations.close(self.random.choice(self.reservations))

    def sweep(self) -> None:
        reservations.sweep()

    def pass_time(self) -> None:
        self.now += timedelta(seconds=self.random.choice([1, 60, BLOCK_SECONDS // 2, 4 * 3600]))

    def change_limit(self) -> None:
        limit = self.random.choice(list(RequestLimit.objects.all()))
        figure = self.random.choice([limit.limit + 10, limit.limit + 20, limit.limit - 30])
        RequestLimit.objects.filter(pk=limit.pk).update(limit=max(0, figure))
        self.lowered |= figure < limit.limit

    def check(self) -> None:
        limits = {(row.request_class, row.period): row.limit for row in RequestLimit.objects.all()}
        for row in RequestCounter.objects.all():
            assert min(row.used, row.leased, row.reserved, row.written_off) >= 0
            assert row.written_off <= row.used
            assert self.lowered or row.used + row.leased + row.reserved <= limits[row.request_class, row.period]
        for line in ReservedUnits.objects.all():
            assert line.units >= line.spent + line.leased
        assert _total("leased", period="day") == (UnitBlock.objects.aggregate(all=Sum("units"))["all"] or 0)
        for column in ("used", "leased", "written_off"):
            assert _total(column, period="day") == _total(column, period="month")

    def finish(self) -> None:
        for lease in self.leases:
            lease.end()
        for reservation in self.reservations:
            reservations.close(reservation)
        self.now += timedelta(days=2)
        reservations.sweep()

    def _pop(self) -> meter.Leasing:
        return self.leases.pop(self.random.randrange(len(self.leases)))


def _total(column: str, **condition: str) -> int:
    return RequestCounter.objects.filter(**condition).aggregate(all=Sum(column))["all"] or 0


@pytest.mark.parametrize("limits_change", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_books_add_up(seed: int, limits_change: bool, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.QUOTA_BLOCK_SIZE = 16
    settings.QUOTA_BLOCK_SECONDS = BLOCK_SECONDS
    walk = Walk(seed, monkeypatch)
    if not limits_change:
        monkeypatch.setattr(walk, "change_limit", lambda: None)

    for _step in range(150):
        walk.step()
    walk.finish()

    walk.check()
    assert _total("leased") == _total("reserved") == 0
    assert not UnitBlock.objects.exists()
    assert not Reservation.objects.filter(closed_at=None).exists()
    used, lost = _total("used", period="month"), _total("written_off", period="month")
    assert sum(attributed().values()) == used
    # Written-off units were sent in part, so what was granted lies between.
    assert used - lost <= walk.granted <= used
