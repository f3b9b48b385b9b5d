"""Work of many requests takes its units in blocks, and what it does not spend comes back."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from media_catalog.aws import s3
from media_catalog.exceptions import MeterUnavailable, QuotaRefused
from media_catalog.models import RequestCounter, RequestUsage, UnitBlock
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute
from tests.aws.conftest import faults, point_at
from tests.aws.faults import OK, FaultServer

from .conftest import Trouble
from .ledger import attributed, no_limits, set_limit, used

__all__ = ["faults", "point_at"]
pytestmark = [pytest.mark.database, pytest.mark.django_db]

Clock = Callable[[datetime], None]


def get(times: int = 1) -> None:
    for _request in range(times):
        meter.spend("s3", "GetObject")


def leased() -> int:
    return UnitBlock.objects.aggregate(all=Sum("units"))["all"] or 0


def month() -> dict[str, Any]:
    return RequestCounter.objects.values("used", "leased", "reserved", "written_off").get(
        request_class="s3_tier2", period="month"
    )


class TestLeasing:
    def test_counts_exactly_and_gives_the_rest_back(self) -> None:
        with attribute(username="ann"), meter.leasing():
            get(9)
            with attribute(bucket="photos"):
                meter.spend("s3", "HeadObject")
            assert leased() == month()["leased"] > 0

        assert month() == {"used": 10, "leased": 0, "reserved": 0, "written_off": 0}
        rows = RequestUsage.objects.values_list("username", "bucket", "operation", "count")
        assert set(rows) == {("ann", "", "GetObject", 9), ("ann", "photos", "HeadObject", 1)}
        assert not UnitBlock.objects.exists()

    @pytest.mark.parametrize("reserved", [False, True])
    def test_notices_a_lowered_limit_with_units_in_hand(self, reserved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        set_limit("s3_tier2", 10_000)
        units = reservations.reserve(kind="job", units={"s3_tier2": 1000}, seconds=60, bulk=True) if reserved else None
        with attribute(job_kind="x"), meter.leasing(units.pk if units else None):
            get(40)
            assert leased() >= 8
            set_limit("s3_tier2", 42)
            get()  # the last look was less than a second ago
            monkeypatch.setattr(meter, "LOOK_SECONDS", 0)
            get()
            with pytest.raises(QuotaRefused):
                get()

        assert used() == {"s3_tier2": 42}
        assert month()["leased"] == 0

    def test_looks_at_the_limit_once_a_second(self) -> None:
        set_limit("s3_tier2", 10_000)
        with meter.leasing():
            get(40)
            in_hand = 63 - 40
            with CaptureQueriesContext(connection) as queries:
                get(in_hand)
        assert len(queries) <= 3  # a machine that stands still for seconds

    def test_doubles_its_blocks_up_to_the_size_that_is_set(self, settings: Settings) -> None:
        settings.QUOTA_BLOCK_SIZE = 8
        no_limits()
        blocks = []
        with meter.leasing():
            for _request in range(32):
                get()
                blocks.append(leased())

        assert blocks == [1, 2, 2, 4, 4, 4, 4] + [8] * 25

    def test_touches_no_database_with_units_in_hand(self) -> None:
        no_limits()
        with meter.leasing():
            get(8)
            with CaptureQueriesContext(connection) as queries:
                get(7)

        assert not queries.captured_queries

    def test_takes_what_it_needs_of_a_reservation_at_once(self) -> None:
        """Others of the job keep theirs, and nothing is taken for requests that are not made."""
        reserved = {"s3_tier1": 120, "s3_tier2": 20}
        reservation = reservations.reserve(kind="job", units=reserved, seconds=60, bulk=True).pk
        with meter.leasing(reservation, needs={"s3_tier1": 60, "s3_tier2": 10}):
            assert not leased()
            get()
            with CaptureQueriesContext(connection) as queries:
                get(9)
                for _request in range(60):
                    meter.spend("s3", "PutObject")
            assert leased() == 70

        assert not queries.captured_queries
        assert used() == attributed() == {"s3_tier1": 60, "s3_tier2": 10}
        assert month()["reserved"] == 10

    def test_says_what_is_short_when_it_is_needed(self) -> None:
        reservation = reservations.reserve(kind="job", units={"s3_tier1": 6, "s3_tier2": 1}, seconds=60, bulk=True).pk
        set_limit("s3_tier1", 0)
        with meter.leasing(reservation, needs={"s3_tier1": 6, "s3_tier2": 1}):
            get()
            with pytest.raises(QuotaRefused):
                meter.spend("s3", "PutObject")

        assert used() == attributed() == {"s3_tier2": 1}

    def test_shares_the_last_units(self) -> None:
        set_limit("s3_tier2", 100)
        with meter.leasing():
            get(95)
            assert leased() == 1
            get(2)
        get(3)
        with pytest.raises(QuotaRefused), meter.leasing():
            get()

        assert used() == attributed() == {"s3_tier2": 100}

    @pytest.mark.django_db(transaction=True)
    def test_refuses_inside_a_transaction_with_units_in_hand(self) -> None:
        with meter.leasing():
            get(2)
            with transaction.atomic(), pytest.raises(RuntimeError, match="may not be made inside a transaction"):
                get()

        assert used() == {"s3_tier2": 2}

    def test_counts_in_the_period_in_which_a_request_is_sent(self, at: Clock) -> None:
        no_limits()
        at(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
        with meter.leasing():
            get(4)  # of 1 + 2 + 4 units
            at(datetime(2026, 12, 1, tzinfo=UTC))
            get(2)

        counters = RequestCounter.objects.order_by("starts", "period").values_list("period", "starts", "used", "leased")
        assert list(counters) == [
            ("month", date(2026, 11, 1), 4, 0),
            ("day", date(2026, 11, 30), 4, 0),
            ("day", date(2026, 12, 1), 2, 0),
            ("month", date(2026, 12, 1), 2, 0),
        ]
        assert set(RequestUsage.objects.values_list("day", "count")) == {
            (date(2026, 11, 30), 4),
            (date(2026, 12, 1), 2),
        }


@pytest.mark.django_db(transaction=True)
class TestWithTheDatabaseAway:
    def test_sends_nothing_without_units(self, faults: FaultServer, database_away: Trouble) -> None:
        reservation = reservations.reserve(kind="job", units={"s3_tier2": 4}, seconds=60, bulk=True)

        with meter.leasing(reservation.pk), database_away(), pytest.raises(MeterUnavailable):
            s3.head_object("photos", "a.jpg")

        assert not faults.log
        assert used() == {}

    def test_sends_what_it_has_in_hand_and_no_more(self, faults: FaultServer, database_away: Trouble) -> None:
        faults.script.extend([OK] * 3)
        with meter.leasing():
            s3.head_object("photos", "a.jpg")
            s3.head_object("photos", "a.jpg")  # of a block of 2
            with database_away():
                s3.head_object("photos", "a.jpg")
                with pytest.raises(MeterUnavailable):
                    s3.head_object("photos", "a.jpg")

        assert len(faults.log) == 3
        assert used() == attributed() == {"s3_tier2": 3}

    def test_leaves_its_block_to_be_written_off(self, database_away: Trouble, settings: Settings, at: Clock) -> None:
        now = timezone.now()
        lease = meter.Leasing(None)
        token = meter._leasing.set(lease)
        get(2)
        meter._leasing.reset(token)
        with database_away():
            lease.end()
        assert reservations.sweep() == (0, 0)  # it may live yet

        at(now + timedelta(seconds=settings.QUOTA_BLOCK_SECONDS + 1))
        assert reservations.sweep() == (2, 0)
        with meter.leasing():
            get(2)
            lease.end()  # too late: counted already
            assert month() == {"used": 4, "leased": 2, "reserved": 0, "written_off": 2}

        assert used() == attributed() == {"s3_tier2": 5}
        rows = RequestUsage.objects.values_list("operation", "estimated").annotate(Sum("count"))
        assert set(rows) == {("GetObject", False, 3), ("written off", True, 2)}
