"""The meter counts each request before it is sent, and grants not one above the limit."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from media_catalog.exceptions import MeterUnavailable, QuotaRefused, Shortfall
from media_catalog.models import RequestCounter, RequestUsage
from media_catalog.quota import meter, periods
from media_catalog.quota.attribution import attribute
from media_catalog.quota.request_classes import UnknownOperation

from .conftest import Trouble
from .ledger import attributed, no_limits, set_limit, used
from .processes import run

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Clock = Callable[[datetime], None]


def spend(*operations: str) -> None:
    for operation in operations:
        meter.spend(*operation.split(":"))


class TestCounts:
    # The price list of AWS: "PUT, COPY, POST, LIST"; "GET, SELECT and all other"; "DELETE and CANCEL are free".
    @pytest.mark.parametrize(
        ("operation", "price_class"),
        [
            ("s3:PutObject", "s3_tier1"),
            ("s3:CreateBucket", "s3_tier1"),
            ("s3:PutBucketCors", "s3_tier1"),
            ("s3:ListBuckets", "s3_tier1"),
            ("s3:CreateMultipartUpload", "s3_tier1"),
            ("s3:UploadPart", "s3_tier1"),
            ("s3:CompleteMultipartUpload", "s3_tier1"),
            ("lambda:Invoke", "lambda_invocation"),
            ("s3:GetObject", "s3_tier2"),
            ("s3:HeadObject", "s3_tier2"),
            ("s3:HeadBucket", "s3_tier2"),
            ("s3:DeleteObject", "free"),
            ("rekognition:DetectFaces", "rekognition_image"),
        ],
    )
    def test_each_operation_in_its_price_class(
        self, operation: str, price_class: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        spend(operation, operation)

        assert used() == {price_class: 2}
        assert not caplog.records

    @pytest.mark.parametrize(
        ("operation", "dearest"),
        [
            ("s3:SelectObjectContent", "s3_tier1"),
            ("rekognition:IndexFaces", "rekognition_image"),
            ("lambda:GetFunction", "lambda_invocation"),
            ("sns:Publish", "free"),  # nobody's limit
        ],
    )
    def test_an_unknown_operation_as_the_dearest_with_a_warning(
        self, operation: str, dearest: str, caplog: pytest.LogCaptureFixture, settings: Settings
    ) -> None:
        settings.QUOTA_REFUSE_UNKNOWN = False

        spend(operation)

        assert used() == {dearest: 1}
        [record] = caplog.records
        assert record.levelno == logging.WARNING
        assert operation.split(":")[1] in record.getMessage()

    def test_no_unknown_operation_in_tests(self) -> None:
        with pytest.raises(UnknownOperation, match="s3 SelectObjectContent"):
            spend("s3:SelectObjectContent")

        assert used() == {}

    def test_what_is_free(self) -> None:
        set_limit("s3_tier1", 0)
        set_limit("s3_tier2", 0)

        spend("s3:DeleteObject", "s3:DeleteObject")

        assert used() == {"free": 2}
        assert attributed() == {"free": 2}

    def test_each_month_on_its_own(self, at: Clock) -> None:
        set_limit("s3_tier1", 2)
        at(datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
        spend("s3:PutObject", "s3:PutObject")
        with pytest.raises(QuotaRefused):
            spend("s3:PutObject")

        at(datetime(2027, 1, 1, tzinfo=UTC))
        spend("s3:PutObject")

        counters = RequestCounter.objects.order_by("starts", "period").values_list("period", "starts", "used")
        assert list(counters) == [
            ("month", date(2026, 12, 1), 2),
            ("day", date(2026, 12, 31), 2),
            ("day", date(2027, 1, 1), 1),
            ("month", date(2027, 1, 1), 1),
        ]

    def test_the_month_of_utc_wherever_the_server_stands(self, at: Clock) -> None:
        at(datetime.fromisoformat("2027-02-01T08:59:00+09:00"))

        spend("s3:PutObject")

        counters = RequestCounter.objects.values_list("period", "starts")
        assert set(counters) == {("day", date(2027, 1, 31)), ("month", date(2027, 1, 1))}
        assert RequestUsage.objects.get().day == date(2027, 1, 31)


class TestLimit:
    def test_is_reached_and_never_passed(self) -> None:
        set_limit("s3_tier2", 3)
        spend("s3:GetObject", "s3:HeadObject", "s3:GetObject")

        for operation in ("s3:GetObject", "s3:HeadObject"):
            with pytest.raises(QuotaRefused) as refusal:
                spend(operation)
            assert refusal.value.shortfall == Shortfall(
                request_class="s3_tier2", period="month", needed=1, left=0, limit=3
            )

        assert used() == {"s3_tier2": 3}
        assert attributed() == {"s3_tier2": 3}

    def test_of_one_class_leaves_the_others_alone(self) -> None:
        set_limit("s3_tier1", 0)

        spend("s3:GetObject", "rekognition:DetectFaces")

        assert used() == {"s3_tier2": 1, "rekognition_image": 1}

    def test_of_zero_allows_nothing(self) -> None:
        set_limit("rekognition_image", 0)

        with pytest.raises(QuotaRefused):
            spend("rekognition:DetectFaces")

        assert used() == {}
        assert attributed() == {}

    def test_missing_allows_everything(self) -> None:
        no_limits()

        spend(*["s3:PutObject"] * 20)

        assert used() == {"s3_tier1": 20}

    def test_lowered_below_what_is_used_refuses_until_it_is_raised(self) -> None:
        set_limit("s3_tier1", 5)
        spend(*["s3:PutObject"] * 4)
        set_limit("s3_tier1", 2)
        with pytest.raises(QuotaRefused):
            spend("s3:PutObject")

        set_limit("s3_tier1", 5)
        spend("s3:PutObject")

        assert used() == {"s3_tier1": 5}

    @pytest.mark.django_db(transaction=True)
    def test_holds_for_eight_processes_at_once(self) -> None:
        set_limit("s3_tier1", 200)

        granted = run("spenders", 8, 60)

        assert len(granted) == 8
        assert sum(granted) == 200
        assert used() == {"s3_tier1": 200}
        assert attributed() == {"s3_tier1": 200}

    @pytest.mark.django_db(transaction=True)
    def test_refuses_nobody_below_it_when_eight_begin_the_month_at_once(self) -> None:
        set_limit("s3_tier1", 2_000)
        # Before each round the counter's row is gone, as on the first of a month.
        start = threading.Barrier(8, action=lambda: RequestCounter.objects.all().delete())

        with ThreadPoolExecutor(8) as pool:
            granted = [one.result() for one in [pool.submit(_begin_months, start, 40) for _thread in range(8)]]

        assert granted == [40] * 8
        assert used() == {"s3_tier1": 8}
        assert attributed() == {"s3_tier1": 320}


class TestUsage:
    def test_says_who_spent_on_what(self) -> None:
        with attribute(username="ann", action="admin:upload"):
            with attribute(bucket="photos"):
                spend("s3:PutObject", "s3:PutObject")
            with attribute(bucket="thumbnails"):
                spend("s3:PutObject", "s3:GetObject")
        with attribute(username="bob", action="job", job_kind="detect_faces", bucket="photos"):
            spend("rekognition:DetectFaces", "s3:DeleteObject")
        spend("s3:ListBuckets")

        rows = RequestUsage.objects.values_list("username", "action", "job_kind", "bucket", "operation", "count")
        assert set(rows) == {
            ("ann", "admin:upload", "", "photos", "PutObject", 2),
            ("ann", "admin:upload", "", "thumbnails", "PutObject", 1),
            ("ann", "admin:upload", "", "thumbnails", "GetObject", 1),
            ("bob", "job", "detect_faces", "photos", "DetectFaces", 1),
            ("bob", "job", "detect_faces", "photos", "DeleteObject", 1),
            ("", "", "", "", "ListBuckets", 1),
        }
        assert attributed() == used() == {"s3_tier1": 4, "s3_tier2": 1, "rekognition_image": 1, "free": 1}

    def test_of_a_refused_request_is_not_written(self) -> None:
        set_limit("s3_tier1", 1)
        with attribute(username="ann"):
            spend("s3:PutObject")
        with attribute(username="bob"), pytest.raises(QuotaRefused):
            spend("s3:PutObject")

        assert list(RequestUsage.objects.values_list("username", "count")) == [("ann", 1)]


class TestTally:
    def test_holds_what_was_counted_inside(self) -> None:
        set_limit("s3_tier2", 1)
        spend("s3:PutObject")
        with meter.tally() as outer:
            spend("s3:PutObject")
            with meter.tally() as inner:
                spend("s3:GetObject")
                with pytest.raises(QuotaRefused):
                    spend("s3:GetObject")

        assert outer == {"s3_tier1": 1, "s3_tier2": 1}
        assert inner == {"s3_tier2": 1}

    @pytest.mark.django_db(transaction=True)
    def test_leaves_other_threads_out(self) -> None:
        with meter.tally() as tally:
            other = threading.Thread(target=_spend_and_disconnect)
            other.start()
            other.join()
            spend("s3:GetObject")

        assert tally == {"s3_tier2": 1}
        assert used() == {"s3_tier1": 1, "s3_tier2": 1}


class TestRefusesToCount:
    @pytest.mark.django_db(transaction=True)
    def test_inside_a_transaction(self) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="may not be made inside a transaction"):
            spend("s3:PutObject")

        assert used() == {}
        assert attributed() == {}

    def test_without_a_database(self, database_away: Trouble) -> None:
        with database_away(), meter.tally() as tally, pytest.raises(MeterUnavailable):
            spend("s3:PutObject")

        assert not tally
        assert used() == {}

    def test_over_a_connection_that_fails_and_recovers_by_itself(self, database_stuck: Trouble) -> None:
        with database_stuck(), pytest.raises(MeterUnavailable):
            spend("s3:PutObject")

        spend("s3:GetObject")
        assert used() == {"s3_tier2": 1}


@pytest.mark.parametrize(
    ("now", "next_day", "next_month"),
    [
        ("2027-01-31T23:59:59+00:00", date(2027, 2, 1), date(2027, 2, 1)),
        ("2027-02-01T00:00:00+00:00", date(2027, 2, 2), date(2027, 3, 1)),
        ("2026-12-15T12:00:00+00:00", date(2026, 12, 16), date(2027, 1, 1)),
        ("2027-01-01T08:00:00+09:00", date(2027, 1, 1), date(2027, 1, 1)),
    ],
)
def test_periods_end_at_midnight_utc(now: str, next_day: date, next_month: date) -> None:
    day = periods.day_of(datetime.fromisoformat(now))

    assert periods.next_start("day", day) == next_day
    assert periods.next_start("month", day) == next_month


def _spend_and_disconnect() -> None:
    spend("s3:PutObject")
    connection.close()


def _begin_months(start: threading.Barrier, months: int) -> int:
    """How many of the months' first requests were granted."""
    granted = 0
    for _month in range(months):
        start.wait(30)
        with suppress(QuotaRefused):
            spend("s3:PutObject")
            granted += 1
    connection.close()
    return granted
