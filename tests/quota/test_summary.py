"""What pages and the command say of the limits."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from media_catalog.models import RequestLimit
from media_catalog.quota import meter, reservations
from media_catalog.quota.summary import LimitSummary, summaries

from .ledger import no_limits, set_limit

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 16, 0, tzinfo=UTC)  # half of the month is over


@pytest.fixture(autouse=True)
def _clock(at: Callable[[datetime], None]) -> None:
    no_limits()
    at(NOON)


def get(times: int) -> None:
    for _request in range(times):
        meter.spend("s3", "GetObject")


def summary(period: str = "month", request_class: str = "s3_tier2") -> LimitSummary:
    [found] = [row for row in summaries() if (row.request_class, row.period) == (request_class, period)]
    return found


def test_every_class_with_its_month_and_days_only_where_limited() -> None:
    RequestLimit.objects.create(request_class="s3_tier1", period="day", limit=5)
    with CaptureQueriesContext(connection) as queries:
        rows = summaries()

    assert [(row.request_class, row.period, row.limit) for row in rows] == [
        ("s3_tier1", "month", None),
        ("s3_tier1", "day", 5),
        ("s3_tier2", "month", None),
        ("rekognition_image", "month", None),
        ("lambda_invocation", "month", None),
        ("sqs_request", "month", None),
    ]
    assert len(queries) == 2


def test_what_is_left_and_held() -> None:
    set_limit("s3_tier2", 20)
    RequestLimit.objects.update(headroom=4)
    get(3)
    reservations.reserve(kind="job", units={"s3_tier2": 5}, seconds=60, bulk=True)

    row = summary()

    assert (row.used, row.held, row.left, row.left_for_jobs) == (3, 5, 12, 8)
    assert (row.percent, row.held_percent) == (15, 25)


def test_a_limit_lowered_below_what_is_used_leaves_nothing() -> None:
    get(3)
    set_limit("s3_tier2", 2)

    assert (summary().left, summary().left_for_jobs, summary().percent, summary().level) == (0, 0, 100, "full")


@pytest.mark.parametrize(
    ("limit", "used", "level"),
    [(None, 9, "none"), (10, 7, "ok"), (10, 8, "watch"), (10, 10, "full"), (0, 0, "full")],
)
def test_the_level(limit: int | None, used: int, level: str) -> None:
    get(used)
    if limit is not None:
        set_limit("s3_tier2", limit)

    assert summary().level == level


@pytest.mark.parametrize(("limit", "runs_out"), [(12, None), (11, date(2026, 11, 28)), (6, date(2026, 11, 16))])
def test_the_forecast_at_the_pace_so_far(limit: int, runs_out: date | None) -> None:
    set_limit("s3_tier2", limit)
    get(6)

    assert summary().forecast == 12
    assert summary().runs_out == runs_out


def test_the_reset() -> None:
    RequestLimit.objects.create(request_class="s3_tier2", period="day", limit=5)

    assert (summary().resets, summary().resets_in) == (date(2026, 12, 1), timedelta(days=15))
    assert (summary("day").resets, summary("day").resets_in) == (date(2026, 11, 17), timedelta(days=1))


def test_the_command_prints_the_same_as_table_and_as_json() -> None:
    set_limit("s3_tier2", 20)
    get(3)
    table, data = StringIO(), StringIO()
    call_command("quota", stdout=table)
    call_command("quota", json=True, stdout=data)

    header, *lines = table.getvalue().splitlines()
    assert header.split()[:3] == ["class", "period", "used"]
    [line] = [line.split() for line in lines if line.startswith("s3_tier2")]
    assert line == ["s3_tier2", "month", "3", "0", "0", "20", "17", "6", "2026-12-01"]
    [row] = [row for row in json.loads(data.getvalue()) if row["request_class"] == "s3_tier2"]
    assert (row["used"], row["left"], row["limit"], row["level"]) == (3, 17, 20, "ok")
    assert len(lines) == len(json.loads(data.getvalue())) == 5
