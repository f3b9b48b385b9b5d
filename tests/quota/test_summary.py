"""What pages and confirmations say of the limits."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from media_catalog.models import RequestClass
from media_catalog.quota import estimate, meter, summary

from .ledger import no_limits, set_limit

pytestmark = pytest.mark.django_db


def entry(request_class: str, *, limit: int | None, used: int) -> summary.ClassSummary:
    return summary.ClassSummary(
        request_class=request_class, label=request_class, used=used, limit=limit, resets=date(2027, 2, 1)
    )


@pytest.mark.parametrize(
    ("limit", "used", "left", "percent", "level"),
    [
        (None, 500, None, 0, "none"),
        (1000, 0, 1000, 0, "ok"),
        (1000, 799, 201, 79, "ok"),
        (1000, 800, 200, 80, "watch"),
        (1000, 999, 1, 99, "watch"),
        (1000, 1000, 0, 100, "full"),
        (1000, 1500, 0, 100, "full"),
        (0, 0, 0, 100, "full"),
    ],
)
def test_tells_how_near_the_limit_is(limit: int | None, used: int, left: int | None, percent: int, level: str) -> None:
    found = entry("s3_tier1", limit=limit, used=used)

    assert (found.left, found.percent, found.level) == (left, percent, level)


def test_lists_each_class_that_costs_as_the_meter_sees_it(at: Callable[[datetime], None]) -> None:
    no_limits()
    set_limit("s3_tier2", 10)
    at(datetime(2027, 1, 31, tzinfo=UTC))
    meter.spend("s3", "PutObject")
    at(datetime(2027, 2, 1, tzinfo=UTC))
    for operation in ("GetObject", "GetObject", "DeleteObject"):
        meter.spend("s3", operation)

    entries = {found.request_class: found for found in summary.this_month()}

    assert list(entries) == ["s3_tier1", "s3_tier2", "rekognition_image"]
    assert {name: (found.used, found.limit) for name, found in entries.items()} == {
        "s3_tier1": (0, None),
        "s3_tier2": (2, 10),
        "rekognition_image": (0, None),
    }
    assert {found.resets for found in entries.values()} == {date(2027, 3, 1)}


def test_an_estimate_of_renditions_reads_an_image_once() -> None:
    assert estimate.renditions([6, 0, 2, 0]) == {"s3_tier2": 2, "s3_tier1": 8}


def test_an_estimate_says_where_the_limit_falls_short() -> None:
    needed = estimate.renditions([6, 6]) | estimate.detection(3) | estimate.removal(0)
    state = [entry("s3_tier1", limit=100, used=90), entry("s3_tier2", limit=None, used=0)]

    lines = {line.label: line for line in estimate.lines(needed, state)}

    assert {label: (line.requests, line.left, line.short) for label, line in lines.items()} == {
        str(RequestClass.S3_TIER1.label): (12, 10, 2),
        str(RequestClass.S3_TIER2.label): (2, None, 0),
        str(RequestClass.REKOGNITION_IMAGE.label): (3, None, 0),
    }
