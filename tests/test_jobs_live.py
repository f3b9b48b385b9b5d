"""Jobs on PostgreSQL with real workers: several clusters, redelivery, cancel, deaths and cut connections."""

import re
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from tests import databases, livejobs
from tests.fatal.apps import COMMENT
from tests.pictures import picture
from tests.stack import Stack, process_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
LIVE = {"DJANGO_SETTINGS_MODULE": "tests.live_settings"}
CANCEL = """
from media_catalog.jobs import control
from media_catalog.models import Job
print(control.cancel(Job.objects.get(pk={job}), by="editor"))
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with (
        databases.postgres() as url,
        running_stack(tmp_path_factory.mktemp("prepared"), DATABASE_URL=url) as prepared,
    ):
        yield prepared


@pytest.fixture
def stack(prepared, tmp_path):
    with prepared.copy(tmp_path) as stack:
        yield stack


@pytest.fixture
def proxy(stack):
    with livejobs.proxied(stack) as proxy:
        yield proxy


def _each_object_was_written_once(stack: Stack, mark: int, images: int) -> None:
    puts = livejobs.puts(stack, mark)
    assert set(puts.values()) == {1}
    rows = stack.query(
        "SELECT bucket.name, rendition.key FROM media_catalog_rendition rendition"
        " JOIN media_catalog_bucket bucket ON bucket.id = rendition.bucket_id"
    )
    assert len(rows) == images * livejobs.RENDITIONS
    originals = {place for place in puts if place not in rows}
    assert len(originals) == images


def test_two_clusters_share_a_job_and_repeat_nothing(stack):
    workers = [stack.start_worker() for _number in range(2)]
    wait_for(lambda: all(len(process_tree(worker.pid)) == 7 for worker in workers), 20)
    clusters = [process_tree(worker.pid) for worker in workers]
    mark = stack.cloud.access_log.mark()

    job = livejobs.start_job_of(stack, 60, JOB_CHUNK_SIZE="2", **LIVE)

    livejobs.wait_until_finished(stack, job, 60)
    assert livejobs.items(stack, job) == {"done": 60}
    assert livejobs.attempts(stack, job) == [1]
    _each_object_was_written_once(stack, mark, 60)
    names = stack.query("SELECT worker FROM media_catalog_jobitem")
    shares = Counter(number for (name,) in names for number in range(2) if int(name.split(":")[1]) in clusters[number])
    assert shares.total() == 60
    assert min(shares.values()) >= 2, shares


def test_an_item_that_takes_longer_than_retry_runs_once(stack, proxy):
    """The task is delivered again after two seconds, to the second worker, and once more to the first."""
    mark = stack.cloud.access_log.mark()
    proxy.delay_puts = 0.7

    job = livejobs.start_job_of(stack, 3)
    stack.start_worker(QUEUE_RETRY="2", **LIVE, **livejobs.behind(proxy))

    livejobs.wait_until_finished(stack, job, 60)
    tasks = Counter(re.findall(r"processing (\S+) 'media_catalog.jobs.runner.run_chunk'", stack.log("worker")))
    assert max(tasks.values()) >= 2, tasks
    assert livejobs.items(stack, job) == {"done": 3}
    assert livejobs.attempts(stack, job) == [1]
    [(shortest,)] = stack.query("SELECT min(finished_at - started_at) FROM media_catalog_jobitem")
    assert shortest > timedelta(seconds=2)
    _each_object_was_written_once(stack, mark, 3)


def test_nothing_new_starts_after_a_cancel_and_the_reservation_is_back(stack, proxy):
    proxy.delay_puts = 0.05
    job = livejobs.start_job_of(stack, 40)
    assert _reserved(stack) > 0
    stack.start_worker(**livejobs.behind(proxy))
    wait_for(lambda: livejobs.items(stack, job)["done"] >= 12, 30)

    cancelled = int(stack.python(CANCEL.format(job=job)))

    assert _reserved(stack) == 0  # whatever still runs
    wait_for(lambda: stack.query("SELECT state FROM media_catalog_job") == [("cancelled",)], 10)
    items = livejobs.items(stack, job)
    assert 0 < cancelled < 28
    assert items == {"done": 40 - cancelled, "cancelled": cancelled}
    [(after,)] = stack.query(
        "SELECT max(item.started_at) - job.cancelled_at FROM media_catalog_jobitem item"
        " JOIN media_catalog_job job ON job.id = item.job_id GROUP BY job.id"
    )
    assert after <= timedelta(seconds=2)
    time.sleep(1)
    assert livejobs.items(stack, job) == items
    assert _reserved(stack) == 0


def test_a_picture_that_kills_the_decoder_fails_alone(stack, tmp_path):
    paths = [_jpeg(tmp_path / f"{number}.jpg", COMMENT if number == 2 else b"") for number in range(6)]
    worker = stack.start_worker(**LIVE)

    job = livejobs.start_job(stack, paths)

    livejobs.wait_until_finished(stack, job, 60)
    assert livejobs.items(stack, job) == {"done": 5, "failed": 1}
    failed = stack.query("SELECT code, attempts FROM media_catalog_jobitem WHERE state = 'failed'")
    assert failed == [("worker_died", 4)]
    assert worker.poll() is None
    assert livejobs.restarts(stack) == 0


def test_a_job_survives_that_all_connections_are_cut(stack, proxy):
    mark = stack.cloud.access_log.mark()
    proxy.delay_puts = 0.05
    worker = stack.start_worker(**livejobs.behind(proxy))
    job = livejobs.start_job_of(stack, 20)

    for done in (2, 8):
        wait_for(lambda done=done: livejobs.items(stack, job)["done"] >= done, 30)
        assert databases.sessions_ended(stack.environment["DATABASE_URL"]) >= 3

    livejobs.wait_until_finished(stack, job, 60)
    assert livejobs.all_made(stack, job)
    assert stack.query("SELECT count(*) FROM media_catalog_rendition") == [(20 * livejobs.RENDITIONS,)]
    assert worker.poll() is None
    assert livejobs.puts(stack, mark).total() <= 20 * (1 + livejobs.RENDITIONS) + 4


def _reserved(stack: Stack) -> int:
    return int(stack.query("SELECT sum(reserved) FROM media_catalog_requestcounter")[0][0])


def _jpeg(path: Path, comment: bytes) -> Path:
    image: Image.Image = picture(90, 70)
    image.save(path, "JPEG", comment=comment)
    return path
