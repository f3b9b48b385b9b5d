"""What the metric filters count, tried on lines as production writes them: each alarm of a log line has its line."""

import json
import logging
import re

import pytest
from django.utils import timezone

from media_catalog.models import LimitAlert, Period, RequestClass
from media_catalog.quota import alerts
from media_catalog.quota.ledger import Crossing
from tests.api.conftest import URL, api, bucket, call_back, create
from tests.backoffice.test_logging import lines
from tests.deploy.templates import Templates

__all__ = ["api", "bucket", "lines"]
TERM = re.compile(r'\$\.(\w+) = (?:"([^"]*)"|(\d+))')


def _counts(name: str, line: dict) -> bool:
    """Whether the filter of the templates takes the line: JSON patterns of terms joined by && or ||, not mixed."""
    pattern = Templates.read().properties(name)["FilterPattern"]
    found = [line.get(field) == (int(number) if number else text) for field, text, number in TERM.findall(pattern)]
    joined = set(re.findall(r"&&|\|\|", pattern))
    assert found
    assert len(joined) <= 1
    return any(found) if joined == {"||"} else all(found)


def _counted(name: str, lines) -> int:
    return sum(_counts(name, line) for line in lines.all())


def test_a_callback_with_a_wrong_secret_is_refused_and_counted(api, lines):
    record = create(api)
    refused = call_back(api, record["uuid"], {"error": "x"}, headers={"X-Backoffice-Signature": "0" * 64})

    assert refused.status_code == 401
    assert _counted("CallbackRefusedLines", lines) == 1


def test_what_is_no_refused_callback_is_not_counted(api, lines, client):
    record = create(api)
    assert call_back(api, record["uuid"], {"error": "x"}).status_code == 200
    client.logout()
    assert client.get(f"{URL}{record['uuid']}").status_code == 401

    assert len([line for line in lines.all() if line["message"] == "page"]) == 3
    assert _counted("CallbackRefusedLines", lines) == 0


@pytest.mark.parametrize("process", ["Web", "Worker", "Consumer"])
def test_errors_are_counted_and_warnings_are_not(lines, process):
    logger = logging.getLogger("media_catalog")
    logger.warning("slow")
    assert _counted(f"{process}ErrorLines", lines) == 0
    logger.error("failed")
    logger.critical("worse")
    assert _counted(f"{process}ErrorLines", lines) == 2


@pytest.mark.parametrize("process", ["Web", "Worker", "Consumer"])
def test_a_limit_that_is_reached_is_counted_once(db, lines, process):
    crossing = Crossing(
        request_class=RequestClass.S3_TIER1,
        period=Period.MONTH,
        starts=timezone.now().date().replace(day=1),
        level=LimitAlert.Level.LIMIT,
        used=10,
        limit=10,
    )
    alerts.announce([crossing, crossing])

    assert _counted(f"{process}QuotaAlertLines", lines) == 1
    assert _counted(f"{process}ErrorLines", lines) == 0


def test_a_failure_of_the_function_is_counted():
    """Text patterns take a line that has one of the words."""
    words = re.findall(r'\?(?:"([^"]+)"|(\w+))', Templates.read().properties("FunctionErrorLines")["FilterPattern"])
    wanted = {quoted or word for quoted, word in words}
    lines = {
        json.dumps({"level": "ERROR", "message": "failed"}): True,
        "2026-11-20T16:00:00Z 00000000 Task timed out after 60.00 seconds": True,
        json.dumps({"level": "INFO", "message": "ignored", "reason": "test event"}): False,
    }
    assert {line: any(word in line for word in wanted) for line in lines} == lines
