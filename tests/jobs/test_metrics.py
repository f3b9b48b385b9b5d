"""The figures that alarms and scaling use."""

import logging
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from media_catalog.jobs import metrics
from media_catalog.models import BlockedRequest, Job, JobItem, RequestCounter, Worker, WorkQueue
from media_catalog.quota.periods import day_of, starts

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def lines(caplog):
    """Report, and give the fields of the lines."""

    def _lines() -> list[dict]:
        caplog.clear()
        with caplog.at_level(logging.INFO, logger=metrics.__name__):
            metrics.report()
        return [record.fields for record in caplog.records]

    return _lines


@pytest.fixture
def figures(lines):
    """Report, and give the figures of the queue; empty when it is not time yet."""
    return lambda: next((line for line in lines() if "QueueAge" in line), {})


def _item(job: Job, state: str, **fields) -> JobItem:
    return JobItem.objects.create(job=job, state=state, target="photo.jpg", **fields)


def _job(minutes: int, state: str = Job.State.RUNNING) -> Job:
    return Job.objects.create(kind="detect_faces", state=state, created_at=timezone.now() - timedelta(minutes=minutes))


def test_an_idle_queue_has_no_age(figures):
    found = figures()

    assert (found["QueueAge"], found["ItemsDone"], found["ItemsFailed"], found["Refusals"]) == (0, 0, 0, 0)


def test_the_age_is_that_of_the_oldest_job_with_items_that_could_run(figures):
    now = timezone.now()
    _item(_job(50), JobItem.State.DONE)
    _item(_job(40, Job.State.PAUSED), JobItem.State.QUEUED)
    _item(_job(30), JobItem.State.QUEUED, not_before=now + timedelta(hours=1))
    _item(_job(20), JobItem.State.QUEUED)
    _item(_job(10), JobItem.State.QUEUED)

    assert figures()["QueueAge"] == pytest.approx(20 * 60, abs=5)


def test_a_paused_queue_needs_no_workers(figures):
    _item(_job(20), JobItem.State.QUEUED)
    WorkQueue.objects.create(pk=WorkQueue.ONLY, paused_at=timezone.now())

    assert figures()["QueueAge"] == 0


def test_counts_what_ended_and_what_was_refused_since_the_last_line(figures):
    job, now = _job(5), timezone.now()
    for state in (JobItem.State.DONE, JobItem.State.SKIPPED, JobItem.State.FAILED):
        _item(job, state, finished_at=now - timedelta(seconds=30))
        _item(job, state, finished_at=now - timedelta(hours=1))
    BlockedRequest.objects.create(request_class="s3_tier1", period="month", operation="PutObject", limit=1)
    Worker.objects.create(name="here")

    found = figures()
    assert {name: found[name] for name in ("ItemsDone", "ItemsFailed", "Refusals", "WorkersAlive")} == {
        "ItemsDone": 2,
        "ItemsFailed": 1,
        "Refusals": 1,
        "WorkersAlive": 1,
    }

    cache.delete(metrics.TURN)  # a minute later
    assert (figures()["ItemsDone"], figures()) == (0, {})


def test_counts_each_refusal_once_also_where_a_row_grows(figures):
    """A job is refused again between two lines: its row is the same, and only what came since is told."""
    reason = {"request_class": "s3_tier1", "period": "month", "operation": "PutObject", "limit": 1}
    row = BlockedRequest.objects.create(**reason, job=7, times=3)
    assert figures()["Refusals"] == 3

    told = []
    for times in (5, 5, 6):
        BlockedRequest.objects.filter(pk=row.pk).update(times=times)
        cache.delete(metrics.TURN)  # a minute later
        told.append(figures()["Refusals"])

    assert told == [2, 0, 1]


def test_requests_used_this_month_by_class(lines, settings):
    settings.DEPLOYMENT_NAME = "staging"
    first = starts("month", day_of(timezone.now()))
    RequestCounter.objects.update_or_create(
        request_class="s3_tier1", period="month", starts=first, defaults={"used": 12}
    )

    used = {line["RequestClass"]: line for line in lines() if "RequestsUsed" in line}

    assert used.keys() == {"s3_tier1", "s3_tier2", "rekognition_image", "lambda_invocation", "sqs_request"}
    assert used["s3_tier1"]["RequestsUsed"] == 12
    assert used["s3_tier1"]["Deployment"] == "staging"
    assert used["s3_tier1"]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Deployment", "RequestClass"]]
