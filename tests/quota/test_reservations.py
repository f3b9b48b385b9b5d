"""Units promised ahead: all or nothing, drawn down, given back."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from media_catalog.exceptions import QuotaRefused, QuotaShort
from media_catalog.models import LimitOverride, RequestCounter, RequestLimit, RequestUsage, Reservation, UnitBlock
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute

from .ledger import no_limits, set_limit, used

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Clock = Callable[[datetime], None]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def get(times: int = 1) -> None:
    for _request in range(times):
        meter.spend("s3", "GetObject")


def reserve(tier2: int = 0, tier1: int = 0, *, seconds: float = 3600, bulk: bool = True) -> int:
    units = {"s3_tier2": tier2, "s3_tier1": tier1, "free": 5}
    return reservations.reserve(kind="job", units=units, seconds=seconds, bulk=bulk).pk


def day_limit(limit: int) -> None:
    RequestLimit.objects.create(request_class="s3_tier2", period="day", limit=limit)


def counter(period: str = "month", request_class: str = "s3_tier2", **of: object) -> tuple[int, int, int]:
    """(used, leased, reserved)"""
    rows = RequestCounter.objects.filter(request_class=request_class, period=period, **of)
    [row] = rows.values_list("used", "leased", "reserved") or [(0, 0, 0)]
    return row


class TestLimits:
    def test_of_the_day_and_of_the_month_hold_together(self, at: Clock) -> None:
        no_limits()
        set_limit("s3_tier2", 5)
        day_limit(3)
        at(NOON)
        get(3)
        with pytest.raises(QuotaRefused) as refusal:
            get()
        assert refusal.value.shortfall.period == "day"

        at(NOON + timedelta(days=1))
        get(2)
        with pytest.raises(QuotaRefused) as refusal:
            get()
        assert refusal.value.shortfall.period == "month"
        assert used() == {"s3_tier2": 5}

    @pytest.mark.parametrize("leasing", [False, True])
    def test_keep_their_headroom_from_jobs(self, leasing: bool) -> None:
        set_limit("s3_tier2", 10)
        RequestLimit.objects.filter(request_class="s3_tier2").update(headroom=4)
        with attribute(job_kind="make_renditions"), meter.leasing() if leasing else nullcontext():
            get(6)
            with pytest.raises(QuotaRefused):
                get()
        assert used() == {"s3_tier2": 6}
        with pytest.raises(QuotaShort):
            reserve(1)

        get(4)
        with pytest.raises(QuotaRefused):
            get()

    def test_are_overridden_for_a_time(self, at: Clock) -> None:
        set_limit("s3_tier2", 1)
        limit = RequestLimit.objects.get(request_class="s3_tier2")
        at(NOON)
        LimitOverride.objects.create(
            request_limit=limit, limit=3, created_at=NOON, expires_at=NOON + timedelta(hours=1)
        )
        get(2)

        at(NOON + timedelta(hours=1))
        with pytest.raises(QuotaRefused):
            get()
        assert used() == {"s3_tier2": 2}

    def test_lowered_below_what_is_used_block_reserved_units_too(self) -> None:
        reservation = reserve(10)
        with meter.leasing(reservation):
            get(3)
        set_limit("s3_tier2", 2)

        with pytest.raises(QuotaRefused), meter.leasing(reservation):
            get()

        assert counter() == (3, 0, 7)

    def test_of_zero_reserve_nothing(self) -> None:
        set_limit("s3_tier2", 0)

        with pytest.raises(QuotaShort):
            reserve(1)

        assert not Reservation.objects.exists()


class TestReservation:
    def test_is_all_or_nothing_and_names_every_limit_in_the_way(self) -> None:
        set_limit("s3_tier2", 10)
        set_limit("s3_tier1", 5)
        day_limit(8)

        with pytest.raises(QuotaShort) as short:
            reserve(12, 4)

        in_the_way = {(s.request_class, s.period, s.needed, s.left, s.limit) for s in short.value.shortfalls}
        assert in_the_way == {("s3_tier2", "month", 12, 10, 10), ("s3_tier2", "day", 12, 8, 8)}
        assert reservations.missing({"s3_tier2": 12, "s3_tier1": 4}, bulk=True) == short.value.shortfalls
        assert counter() == counter(request_class="s3_tier1") == (0, 0, 0)
        assert not Reservation.objects.exists()

    def test_keeps_others_out_is_drawn_down_and_returns_the_rest(self) -> None:
        set_limit("s3_tier2", 10)
        reservation = reserve(8)
        get(2)
        with pytest.raises(QuotaRefused):
            get()
        with meter.leasing(reservation):
            get(5)
        assert counter() == (7, 0, 3)

        assert reservations.close(reservation)
        assert not reservations.close(reservation)

        assert counter() == (7, 0, 0)
        get(3)

    def test_that_is_used_up_goes_on_with_what_is_left_for_all(self) -> None:
        set_limit("s3_tier2", 10)
        reservation = reserve(2)
        with meter.leasing(reservation), pytest.raises(QuotaRefused):
            get(11)

        assert counter() == (10, 0, 0)

    def test_closed_during_the_work_gives_back_what_the_work_holds_at_its_end(self) -> None:
        reservation = reserve(40)
        with meter.leasing(reservation):
            get(4)
            assert counter()[1] > 0
            reservations.close(reservation)
            assert counter()[2] == 0

        assert counter() == (4, 0, 0)

    def test_lives_as_long_as_it_is_renewed(self, at: Clock) -> None:
        at(NOON)
        kept, left = reserve(3, seconds=60), reserve(4, seconds=60)
        at(NOON + timedelta(seconds=50))
        assert reservations.renew(kept, seconds=60)

        at(NOON + timedelta(seconds=70))
        assert reservations.sweep() == (0, 1)

        assert counter() == (0, 0, 3)
        assert not reservations.renew(left, seconds=60)

    def test_in_a_dead_process_is_written_off_as_far_as_handed_out(self, at: Clock, settings: Settings) -> None:
        at(NOON)
        reservation = reserve(40, seconds=60)
        dead = meter.Leasing(reservation)
        token = meter._leasing.set(dead)
        get(2)  # of a block of 10, a quarter
        meter._leasing.reset(token)

        at(NOON + timedelta(seconds=settings.QUOTA_BLOCK_SECONDS + 61))
        assert reservations.sweep() == (10, 1)

        assert counter() == (10, 0, 0)
        assert RequestCounter.objects.get(period="month").written_off == 10
        [row] = RequestUsage.objects.filter(operation="written off").values_list("estimated", "count")
        assert row == (True, 10)

    def test_dropped_meanwhile_does_not_keep_a_dead_process_from_being_written_off(self) -> None:
        held = reserve(10)
        with nullcontext(meter.Leasing(held)) as lease, attribute(job_kind="x"):
            token = meter._leasing.set(lease)
            get()
            meter._leasing.reset(token)
        block = UnitBlock.objects.get()
        UnitBlock.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        reservations.drop(held)

        assert reservations._write_off(block) == block.units
        assert counter() == (block.units, 0, 0)

    def test_goes_over_into_the_new_month(self, at: Clock) -> None:
        set_limit("s3_tier2", 20)
        at(datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
        reservation = reserve(10)
        with meter.leasing(reservation):
            get(2)
            at(datetime(2026, 12, 1, 0, 1, tzinfo=UTC))
            get(3)
        old, new = datetime(2026, 11, 1).date(), datetime(2026, 12, 1).date()  # noqa: DTZ001
        assert counter(starts=old) == (2, 0, 0)
        assert counter(starts=new) == counter("day", starts=new) == (3, 0, 5)

        reservations.close(reservation)
        assert counter(starts=new) == (3, 0, 0)

    def test_that_does_not_fit_into_the_new_day_is_given_back(self, at: Clock) -> None:
        no_limits()
        day_limit(10)
        at(NOON)
        reservation = reserve(10)
        at(NOON + timedelta(days=1))
        get(4)
        with meter.leasing(reservation), pytest.raises(QuotaRefused):
            get(7)

        days = {starts.day: counter("day", starts=starts) for starts in (NOON.date(), NOON.date() + timedelta(days=1))}
        assert days == {20: (0, 0, 0), 21: (10, 0, 0)}
        assert counter() == (10, 0, 0)
        reservations.close(reservation)
        assert counter() == (10, 0, 0)
