"""A large job on PostgreSQL through every death: it completes, and nothing is sent twice but what was in flight."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import boto3
import pytest

from media_catalog.jobs.schedules import PLANS
from media_catalog.models import RequestClass
from media_catalog.quota.request_classes import classify
from tests import databases, livejobs
from tests.stack import Stack, kill_tree, process_tree, running_stack, wait_for

IMAGES = 500
RENDITIONS = IMAGES * livejobs.RENDITIONS
ONE_WORKER = 3  # in the order of their start: the command, its cluster's head and sentinel, the workers
QUEUE = """
from media_catalog.jobs import control
assert control.{what}_queue(by="editor")
"""


SESSIONS = "SELECT sessions FROM pg_stat_database WHERE datname = ?"
IDLE_SECONDS = 60  # all schedules of each minute run once


@pytest.fixture
def stack(tmp_path):
    with databases.postgres() as url, running_stack(tmp_path, DATABASE_URL=url) as stack:
        yield stack


@pytest.fixture
def show(capsys) -> Callable[[str], None]:
    """Say a figure, whether the test succeeds or fails."""

    def _show(figures: str) -> None:
        with capsys.disabled():
            print(f"\n{figures}")  # noqa: T201

    return _show


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_job_of_500_images_through_every_death(stack, show):
    job = livejobs.start_job_of(stack, IMAGES)
    mark = stack.cloud.access_log.mark()
    worker = stack.start_worker()

    in_flight = {"a busy worker": _kill_a_busy_worker(stack, job)}
    in_flight["an idle worker"] = _kill_an_idle_worker(stack, job, worker)
    in_flight["the whole cluster"] = _kill_all(stack, job, worker)
    in_flight["all connections"] = _cut_all_connections(stack, job)

    livejobs.wait_until_finished(stack, job, 300)
    assert stack.query("SELECT id, code, message FROM media_catalog_jobitem WHERE state = 'failed'") == []
    assert livejobs.all_made(stack, job)
    sent = Counter(entry.operation for entry in stack.cloud.access_log.since(mark))
    repeated = {"GetObject": sent["GetObject"] - IMAGES, "PutObject": sent["PutObject"] - RENDITIONS}
    vain = _counted_in_vain(stack)
    show(f"in flight at the deaths: {in_flight}; sent: {dict(sent)}; repeated: {repeated}; counted, not sent: {vain}")
    assert 0 <= repeated["GetObject"] <= sum(in_flight.values())
    assert 0 <= repeated["PutObject"] <= sum(in_flight.values())
    assert min(vain.values()) >= 0
    _rows_and_objects_are_the_same(stack)


@pytest.mark.soak
def test_an_idle_worker_costs_little(stack, tmp_path, show):
    queries = tmp_path / "queries"
    stack.start_worker(DJANGO_SETTINGS_MODULE="tests.live_settings", QUERIES=str(queries))
    wait_for(lambda: stack.query("SELECT count(*) FROM media_catalog_schedulerun") == [(len(PLANS),)], 60)
    time.sleep(5)  # all processes have connected by then

    before = (queries.stat().st_size, _sessions(stack))
    time.sleep(IDLE_SECONDS)
    after = (queries.stat().st_size, _sessions(stack))

    sent, sessions = (now - then for now, then in zip(after, before, strict=True))
    show(f"{sent / IDLE_SECONDS:.1f} queries a second, {sessions} new connections")
    assert 0 < sent / IDLE_SECONDS <= 6
    assert sessions == 0


def _sessions(stack: Stack) -> int:
    """How many there were so far. Asked from another database, so that the question is not counted."""
    name = urlsplit(stack.environment["DATABASE_URL"]).path.lstrip("/")
    [(sessions,)] = databases.query(databases.SERVER, SESSIONS, name)
    return int(sessions)


def _kill_a_busy_worker(stack: Stack, job: int) -> int:
    _wait_for_done(stack, job, IMAGES // 10)
    names = wait_for(lambda: _at_work(stack), 30)
    os.kill(int(names[0].split(":")[1]), signal.SIGKILL)
    return 1


def _kill_an_idle_worker(stack: Stack, job: int, worker: subprocess.Popen[bytes]) -> int:
    """In a pause of the queue, as there is no idle worker otherwise."""
    _wait_for_done(stack, job, IMAGES // 4)
    stack.python(QUEUE.format(what="pause"))
    # All tasks are taken, to find that they may do nothing; that of the killed worker stays until `retry`.
    wait_for(lambda: stack.query("SELECT count(*) FROM django_q_ormq")[0][0] <= 1, 60)
    before = livejobs.restarts(stack)
    os.kill(process_tree(worker.pid)[ONE_WORKER], signal.SIGKILL)
    wait_for(lambda: livejobs.restarts(stack) == before + 1, 40)
    stack.python(QUEUE.format(what="resume"))
    return 0


def _kill_all(stack: Stack, job: int, worker: subprocess.Popen[bytes]) -> int:
    _wait_for_done(stack, job, IMAGES // 2)
    assert stack.outcome("worker_health")[0] == 0
    kill_tree(worker)
    in_flight = len(_at_work(stack))
    wait_for(lambda: stack.outcome("worker_health")[0] == 1, 60)
    stack.start_worker()
    wait_for(lambda: stack.outcome("worker_health")[0] == 0, 30)
    return in_flight


def _cut_all_connections(stack: Stack, job: int) -> int:
    _wait_for_done(stack, job, IMAGES * 3 // 4)
    wait_for(lambda: _at_work(stack), 30)
    assert databases.sessions_ended(stack.environment["DATABASE_URL"]) >= 3
    return int(stack.environment.get("WORKERS", "2"))


def _wait_for_done(stack: Stack, job: int, count: int) -> None:
    wait_for(lambda: livejobs.items(stack, job)["done"] >= count, 120)


def _at_work(stack: Stack) -> list[str]:
    """The names of the processes that have an item."""
    return [name for (name,) in stack.query("SELECT worker FROM media_catalog_jobitem WHERE state = 'running'")]


def _counted_in_vain(stack: Stack) -> dict[str, int]:
    """By class, what the counters have, whoever holds it, beyond what has arrived at the server in all."""
    arrived = Counter(classify("s3", entry.operation) for entry in stack.cloud.access_log.since())
    rows = stack.query("SELECT request_class, used + leased FROM media_catalog_requestcounter WHERE period = 'month'")
    counted = dict(rows)
    return {cls: counted[cls] - arrived[cls] for cls in (RequestClass.S3_TIER1.value, RequestClass.S3_TIER2.value)}


def _rows_and_objects_are_the_same(stack: Stack) -> None:
    rows = stack.query(
        "SELECT bucket.name, rendition.key FROM media_catalog_rendition rendition"
        " JOIN media_catalog_bucket bucket ON bucket.id = rendition.bucket_id"
    )
    assert len(rows) == len(set(rows)) == RENDITIONS
    assert set(rows) == {(name, key) for name in {name for name, _key in rows} for key in _keys(stack, name)}


def _keys(stack: Stack, bucket: str) -> list[str]:
    account = stack.cloud.account
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.cloud.endpoint_url,
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        region_name=account.region,
    )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]
