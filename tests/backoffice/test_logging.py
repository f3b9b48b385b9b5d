"""Log lines are JSON with ids, and hold nothing about people."""

import json
import logging

import pytest
from django.contrib.auth.models import User

from backoffice.logging import JsonLines
from backoffice.requests import HEADER
from media_catalog.quota.attribution import attribute


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    def all(self) -> list[dict]:
        return [json.loads(text) for text in self.texts]


@pytest.fixture
def lines(monkeypatch):
    """What the product logs in production."""
    handler = Lines()
    root = logging.getLogger()
    root.addHandler(handler)
    monkeypatch.setattr(logging.getLogger("backoffice"), "level", logging.INFO)
    logging.getLogger("backoffice.requests")._cache.clear()
    yield handler
    root.removeHandler(handler)


@pytest.fixture
def person(db) -> User:
    return User.objects.create_superuser("ada.lovelace", "ada@example.org")


def test_a_page_is_a_line_with_ids_and_its_latency(lines, client, person, settings):
    settings.DEPLOYMENT_NAME = "staging"
    client.force_login(person)

    answer = client.get("/admin/", headers={"x-amzn-trace-id": "Root=1-67891233-abcdef"})

    [line] = [line for line in lines.all() if line["message"] == "page"]
    assert answer.headers[HEADER] == line["request_id"] == "Root=1-67891233-abcdef"
    assert (line["user_id"], line["route"], line["method"], line["status"]) == (person.pk, "admin:index", "GET", 200)
    [metric] = line["_aws"]["CloudWatchMetrics"]
    assert metric == {
        "Namespace": "Backoffice",
        "Dimensions": [["Deployment"]],
        "Metrics": [{"Name": "PageLatency", "Unit": "Milliseconds"}],
    }
    assert line["Deployment"] == "staging"
    assert line["PageLatency"] > 0


@pytest.mark.parametrize("given", ["", "x" * 129, 'evil"id', "two\tparts"])
def test_an_id_that_could_spoil_the_log_is_replaced(lines, client, db, given):
    answer = client.get("/admin/login/", headers={"x-amzn-trace-id": given})

    assert len(answer.headers[HEADER]) == 32


def test_what_people_search_for_is_not_logged(lines, client, person):
    client.force_login(person)
    for path in ("/admin/media_catalog/image/", "/admin/not-there/"):
        client.get(path, {"q": "grace.hopper@example.org"})

    text = "".join(lines.texts)
    assert '"status": 200' in text
    assert "Not Found: /admin/not-there/" in text
    for personal in ("grace", "ada", "lovelace"):
        assert personal not in text


def test_the_row_that_a_database_error_quotes_is_left_out(lines):
    said = "duplicate key\nDETAIL:  Key (username)=(ada) already exists.\nmail to ada@example.org"
    try:
        raise ValueError(said)
    except ValueError:
        logging.getLogger("media_catalog").exception("failed for %s", "ada@example.org")

    [line] = lines.all()
    assert line["level"] == "ERROR"
    assert "ValueError: duplicate key" in line["exception"]
    assert "ada" not in lines.texts[0]


def test_a_line_of_a_job_names_it(lines):
    with attribute(job=17, username="ada"):
        logging.getLogger("media_catalog").warning("slow")

    [line] = lines.all()
    assert line["job_id"] == 17
    assert "ada" not in lines.texts[0]


def test_a_failing_page_is_logged_with_its_id(lines, client, person, monkeypatch):
    client.force_login(person)
    client.raise_request_exception = False
    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.each_context", lambda *_: 1 / 0)

    answer = client.get("/admin/")

    assert answer.status_code == 500
    failed = [line for line in lines.all() if "ZeroDivisionError" in line.get("exception", "")]
    assert {line["request_id"] for line in failed} == {answer.headers[HEADER]}
