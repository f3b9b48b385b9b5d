"""Stopped and killed processes: what was begun is completed, once, and goes on at once with the next worker."""

import os
import signal
from collections import Counter

import pytest

from tests import livejobs
from tests.faultproxy import FaultProxy
from tests.stack import Stack, kill_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

IMAGES = 8
RENDITIONS = IMAGES * livejobs.RENDITIONS
TRASHING = """
from django.contrib.auth.models import User
from media_catalog import jobs
from media_catalog.models import Image
images = list(Image.objects.values_list("pk", flat=True))
print(jobs.start(kind="remove_images", user=User.objects.get(), images=images).pk)
"""
ORIGINALS = """
from media_catalog.aws import listing
from media_catalog.models import Bucket, Image
bucket = Bucket.objects.get(role="originals")
known = set(Image.everything.values_list("in_trash__trash_key", flat=True))
print(sum(entry.key in known for entry in listing.list_page(bucket.name).objects))
"""
MOVING = """
from django.contrib.auth.models import User
from media_catalog import jobs
from media_catalog.models import Image
image = Image.objects.get()
options = {"to_bucket": image.bucket_id, "to_key": "moved/here.jpg"}
print(jobs.start(kind="move_image", user=User.objects.get(), images=[image.pk], options=options).pk)
"""
RESTART_SECONDS = 15  # about 3 s, and some for a busy machine; far below each lease and retry


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("prepared")) as prepared:
        yield prepared


@pytest.fixture
def stack(prepared, tmp_path):
    with prepared.copy(tmp_path) as stack:
        yield stack


@pytest.fixture
def proxy(stack):
    with livejobs.proxied(stack) as proxy:
        yield proxy


@pytest.fixture
def job(stack) -> int:
    return livejobs.start_job_of(stack, IMAGES, width=900, height=700)


def _worker_behind(proxy: FaultProxy, stack: Stack):
    return stack.start_worker(**livejobs.behind(proxy))


def _items(stack: Stack, state: str) -> int:
    return stack.query("SELECT count(*) FROM media_catalog_jobitem WHERE state = ?", state)[0][0]


def _completes(stack: Stack, job: int) -> None:
    """A new worker moves the job at once and ends it."""
    before = _items(stack, "done")
    stack.start_worker()
    wait_for(lambda: _items(stack, "done") > before, RESTART_SECONDS)
    livejobs.wait_until_finished(stack, job, 60)
    assert _items(stack, "done") == IMAGES
    assert stack.query("SELECT count(*) FROM media_catalog_rendition") == [(RENDITIONS,)]


def test_a_stop_in_the_middle_lets_the_running_item_end(stack, proxy, job):
    mark = stack.cloud.access_log.mark()
    proxy.delay_puts = 0.2
    worker = _worker_behind(proxy, stack)
    wait_for(lambda: _items(stack, "done") >= 1, 30)

    worker.send_signal(signal.SIGINT)

    assert worker.wait(10) == 0, stack.log("worker")
    assert _items(stack, "running") == 0
    assert 1 < _items(stack, "done") < IMAGES
    _completes(stack, job)
    assert stack.query("SELECT DISTINCT attempts FROM media_catalog_jobitem") == [(1,)]
    assert livejobs.puts(stack, mark).total() == RENDITIONS


def test_a_stop_in_the_middle_hands_back_what_cannot_end(stack, proxy, job):
    mark = stack.cloud.access_log.mark()
    proxy.hold_puts.set()
    worker = _worker_behind(proxy, stack)
    assert proxy.held.wait(30), stack.log("worker")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(10) == 0, stack.log("worker")
    rows = stack.query("SELECT DISTINCT state, attempts, worker, dispatched_at FROM media_catalog_jobitem")
    assert rows == [("queued", 0, "", None)]
    _completes(stack, job)
    assert stack.query("SELECT DISTINCT attempts FROM media_catalog_jobitem") == [(1,)]
    assert livejobs.puts(stack, mark).total() <= RENDITIONS + 1
    spent = "SELECT sum(json_extract(requests, '$.s3_tier1')) FROM media_catalog_jobitem"
    assert stack.query(spent) == [(livejobs.puts(stack, mark).total(),)]


def test_a_worker_killed_between_put_and_row_repeats_at_most_that_put(stack, proxy, job):
    mark = stack.cloud.access_log.mark()
    proxy.hold_puts.set()
    worker = _worker_behind(proxy, stack)
    assert proxy.held.wait(30), stack.log("worker")

    kill_tree(worker)

    assert _items(stack, "running") == 1
    _completes(stack, job)
    assert livejobs.puts(stack, mark).total() <= RENDITIONS + 1


def test_a_worker_killed_on_the_way_to_the_trash_loses_no_object(stack, proxy):
    livejobs.start_job_of(stack, IMAGES)
    stack.query("DELETE FROM media_catalog_jobitem")
    stack.query("DELETE FROM media_catalog_job")
    job = int(stack.python(TRASHING))
    mark = stack.cloud.access_log.mark()
    proxy.hold_puts.set()
    worker = _worker_behind(proxy, stack)
    assert proxy.held.wait(30), stack.log("worker")  # the COPY is done, its DELETE is not

    kill_tree(worker)

    assert _items(stack, "running") == 1
    assert stack.query("SELECT state FROM media_catalog_trashedobject")[:1] == [("moving",)]
    stack.start_worker()
    livejobs.wait_until_finished(stack, job, 60)
    assert _items(stack, "done") == IMAGES
    assert stack.query("SELECT state, count(*) FROM media_catalog_trashedobject GROUP BY 1") == [("trashed", IMAGES)]
    assert int(stack.python(ORIGINALS)) == IMAGES
    copies = [entry for entry in stack.cloud.access_log.since(mark) if entry.operation == "CopyObject"]
    assert len(copies) <= IMAGES + 2


def test_a_worker_killed_while_it_moves_an_image_ends_the_move_with_the_same_copy(stack, proxy):
    livejobs.start_job_of(stack, 1)
    stack.start_worker()
    wait_for(lambda: _items(stack, "done") == 1, 60)
    stack.stop()
    job = int(stack.python(MOVING))
    mark = stack.cloud.access_log.mark()
    proxy.hold_puts.set()
    worker = _worker_behind(proxy, stack)
    assert proxy.held.wait(30), stack.log("worker")  # the COPY is done, and nobody knows

    kill_tree(worker)

    assert stack.query("SELECT key FROM media_catalog_image") != [("moved/here.jpg",)]
    stack.start_worker()
    livejobs.wait_until_finished(stack, job, 60)
    assert _items(stack, "done") == 2
    assert stack.query("SELECT key FROM media_catalog_image") == [("moved/here.jpg",)]
    copies = Counter(entry.key for entry in stack.cloud.access_log.since(mark) if entry.operation == "CopyObject")
    assert copies["moved/here.jpg"] == 2  # the original, and its thumbnail elsewhere
    assert copies.total() == 1 + livejobs.RENDITIONS


def test_one_process_of_the_pool_killed_is_made_good_by_the_others(stack, proxy, job):
    proxy.hold_puts.set()
    _worker_behind(proxy, stack)
    assert proxy.held.wait(30), stack.log("worker")
    proxy.hold_puts.clear()
    [(holder,)] = stack.query("SELECT worker FROM media_catalog_jobitem WHERE state = 'running'")

    os.kill(int(holder.split(":")[1]), signal.SIGKILL)

    livejobs.wait_until_finished(stack, job, 30)
    assert _items(stack, "done") == IMAGES
    assert livejobs.restarts(stack) == 0
