"""An import reserves what a round may take before it takes a message, and an idle one leaves the counters alone."""

import contextlib
import json
import os
import secrets
import signal
import threading
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.aws import s3, sqs
from media_catalog.jobs import consumer
from media_catalog.jobs.consumer import ROUND, Consumer
from media_catalog.models import (
    AuditEvent,
    BlockedRequest,
    Image,
    LimitAlert,
    RequestCounter,
    RequestLimit,
    RequestUsage,
    Reservation,
)
from media_catalog.quota import reservations
from media_catalog.quota.attribution import attribute
from tests.lambda_function.events import s3_event, s3_record
from tests.pictures import jpeg

pytestmark = pytest.mark.database
SQS, GET = "sqs_request", "s3_tier2"


@pytest.fixture
def queue(originals, monkeypatch) -> sqs.Queue:
    """A queue of the test's own, polled without waiting. Few polls make a round."""
    monkeypatch.setattr(sqs, "WAIT_SECONDS", 0)
    return sqs.create_queue(f"queue-{secrets.token_hex(4)}")


@pytest.fixture
def one(queue) -> Consumer:
    return Consumer(queue, pause_seconds=0)


@pytest.fixture
def announced(originals, queue, settings):
    """Puts an image to S3 and its message into the queue, as S3 itself does: not metered."""

    def _announced(key: str) -> None:
        s3.put_object(originals.name, key, jpeg(), content_type="image/jpeg")
        body = json.dumps(s3_event(s3_record(originals.name, key)))
        sender.send_message(QueueUrl=queue.url, MessageBody=body)

    with contextlib.closing(boto3.client("sqs", endpoint_url=settings.AWS_ENDPOINT_URL)) as sender:
        yield _announced


def left(**units: int) -> None:
    """So many units are left this month, and none is held."""
    for cls, count in units.items():
        used = RequestCounter.objects.filter(period="month", request_class=cls).values_list("used", flat=True).first()
        RequestLimit.objects.filter(request_class=cls, period="month").update(limit=(used or 0) + count, headroom=0)


def held(cls: str) -> tuple[int, int]:
    return RequestCounter.objects.filter(period="month", request_class=cls).values_list("leased", "reserved").get()


def test_a_round_gives_back_what_it_did_not_take(one, announced, cloud):
    announced("a.jpg")
    mark = cloud.access_log.mark()
    one._round()

    assert Image.objects.get().key == "a.jpg"
    assert cloud.access_log.operations(mark)["GetObject"] == 1
    assert held(SQS) == (0, 0)
    assert held(GET) == (0, 1)  # of the job that makes the renditions
    assert not Reservation.objects.filter(kind="import").exists()


def test_what_is_reserved_covers_the_round(one, announced):
    """Others may take all that is left meanwhile."""
    announced("a.jpg")
    left(**ROUND)
    one._round()

    assert Image.objects.exists()
    for cls in ROUND:
        counter = RequestCounter.objects.get(period="month", request_class=cls)
        assert counter.used + counter.leased + counter.reserved <= RequestLimit.objects.get(request_class=cls).limit


def test_of_two_at_a_limit_that_fits_one_round_one_waits(queue, one, announced, monkeypatch):
    announced("a.jpg")
    left(**ROUND)
    two, receive, polls = Consumer(queue, pause_seconds=0), sqs.receive, []

    def receive_while_another_tries(given: sqs.Queue) -> list[sqs.Message]:
        polls.append(given)
        if len(polls) == 1:
            two._round()
        return receive(given)

    monkeypatch.setattr(sqs, "receive", receive_while_another_tries)
    one._round()

    assert len(polls) == 1
    assert Image.objects.exists()


def test_without_room_for_a_round_no_message_is_taken(one, announced, cloud):
    announced("a.jpg")
    left(**{**ROUND, GET: ROUND[GET] - 1})
    mark = cloud.access_log.mark()
    one._round()

    assert not cloud.access_log.since(mark)
    assert not Image.objects.exists()


def test_a_round_that_does_not_fit_is_noted_once_a_minute_and_announced(one, announced):
    announced("a.jpg")
    left(**{**ROUND, GET: 0})
    with attribute(action="consume_events", job_kind="housekeeping"):
        one._round()
        one._round()

    refused = BlockedRequest.objects.get()
    assert (refused.request_class, refused.operation, refused.action) == (GET, "ReceiveMessage", "consume_events")
    assert (refused.needed, refused.left, refused.times) == (ROUND[GET], 0, 2)
    assert AuditEvent.objects.filter(action=AuditEvent.Action.REFUSED).count() == 1
    assert LimitAlert.objects.get().request_class == GET


def test_many_idle_polls_touch_the_counters_a_few_times(one, cloud):
    mark = cloud.access_log.mark()
    with CaptureQueriesContext(connection) as queries:
        one._round()

    polls = cloud.access_log.operations(mark)["ReceiveMessage"]
    writes = [query for query in queries if query["sql"].startswith('UPDATE "media_catalog_requestcounter"')]
    assert polls == consumer.IDLE_POLLS
    assert len(writes) <= polls / 2
    assert RequestUsage.objects.get(operation="ReceiveMessage").count == polls
    assert held(SQS) == (0, 0)


def test_near_the_limit_it_polls_once_and_reserves_anew(one, cloud):
    left(**{**ROUND, SQS: ROUND[SQS] + 3})
    mark = cloud.access_log.mark()
    one._round()

    assert cloud.access_log.operations(mark)["ReceiveMessage"] == 1


def test_told_in_the_middle_of_a_query_it_gives_back_what_it_holds(one, monkeypatch):
    """The signal that ends a poll may come while the poll is counted."""
    if connection.vendor != "postgresql":
        pytest.skip("a query of SQLite is not cut off")
    monkeypatch.setattr(
        signal, "signal", lambda number, handler, real=signal.signal: kept.append(real(number, handler))
    )
    kept: list[Any] = []

    def receive(_queue: sqs.Queue) -> list[sqs.Message]:
        threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGTERM]).start()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")
        return []

    monkeypatch.setattr(sqs, "receive", receive)
    try:
        one.run()
    finally:
        monkeypatch.undo()
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), kept, strict=True):
            signal.signal(number, handler)

    assert not Reservation.objects.exists()
    assert held(SQS) == (0, 0)


def test_what_a_killed_one_held_comes_back_with_its_lease(one, monkeypatch, settings):
    """A kill is what leaves no time to give anything back."""
    reserved = reservations.reserve(kind="import", units=ROUND, seconds=settings.QUOTA_BLOCK_SECONDS, bulk=True)
    left(**ROUND)
    one._round()
    assert RequestUsage.objects.filter(operation="ReceiveMessage").first() is None

    Reservation.objects.filter(pk=reserved.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    reservations.sweep()
    one._round()
    assert RequestUsage.objects.get(operation="ReceiveMessage").count == 1
