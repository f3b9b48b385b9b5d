"""Redis as the broker, which forgets a task when it hands it out."""

import os
import secrets
from collections.abc import Iterator

import pytest
from redis import Redis

from tests import livejobs
from tests.stack import Stack, kill_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
AGE = """
from datetime import timedelta
from django.conf import settings
from django.db.models import F
from media_catalog.models import JobItem
long_ago = timedelta(seconds=settings.Q_CLUSTER["retry"] + 1)
JobItem.objects.update(dispatched_at=F("dispatched_at") - long_ago)
"""


class Queue:
    """The list of a product's own in the server. `environment` makes the product use it."""

    def __init__(self) -> None:
        self._name = f"backoffice-{secrets.token_hex(6)}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.live_settings",
            "QUEUE_BROKER": "redis",
            "QUEUE_NAME": self._name,
            "REDIS_URL": URL,
            "JOB_CHUNK_SIZE": "2",
        }
        self._server: Redis = Redis.from_url(URL)

    def __len__(self) -> int:
        return int(self._server.llen(self._key))

    def lose(self) -> None:
        """Forget all tasks."""
        self._server.delete(self._key)

    def close(self) -> None:
        self.lose()
        self._server.close()

    @property
    def _key(self) -> str:
        return f"django_q:{self._name}:q"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("prepared")) as prepared:
        yield prepared


@pytest.fixture
def stack(prepared, tmp_path):
    with prepared.copy(tmp_path) as stack:
        yield stack


@pytest.fixture
def queue() -> Iterator[Queue]:
    queue = Queue()
    yield queue
    queue.close()


def _all_done(stack: Stack, job: int, count: int) -> None:
    livejobs.wait_until_finished(stack, job, 60)
    assert livejobs.all_made(stack, job)
    assert stack.query("SELECT count(*) FROM media_catalog_rendition") == [(count * livejobs.RENDITIONS,)]


def test_a_job_runs(stack, queue):
    job = livejobs.start_job_of(stack, 6, **queue.environment)
    assert len(queue) == 3
    assert stack.query("SELECT count(*) FROM django_q_ormq") == [(0,)]

    stack.start_worker(**queue.environment)

    _all_done(stack, job, 6)
    assert livejobs.attempts(stack, job) == [1]


def test_lost_tasks_are_dispatched_again_by_a_worker_that_waits(stack, queue):
    worker = stack.start_worker(**queue.environment)
    wait_for(lambda: stack.query("SELECT name FROM media_catalog_worker"), 20)
    elsewhere = Queue()
    job = livejobs.start_job_of(stack, 4, **elsewhere.environment)
    assert len(elsewhere) == 2
    elsewhere.close()

    stack.python(AGE, **queue.environment)

    _all_done(stack, job, 4)
    assert livejobs.attempts(stack, job) == [1]
    assert worker.poll() is None


def test_what_a_killed_worker_had_taken_goes_on_with_the_next(stack, queue):
    job = livejobs.start_job_of(stack, 40, **queue.environment)
    mark = stack.cloud.access_log.mark()
    worker = stack.start_worker(**queue.environment)
    wait_for(lambda: livejobs.items(stack, job)["done"] >= 10, 30)

    kill_tree(worker)

    assert len(queue) > 0  # else the next worker would have all put back in any case
    in_flight = livejobs.items(stack, job)["running"]
    stack.start_worker(**queue.environment)
    _all_done(stack, job, 40)
    assert livejobs.puts(stack, mark).total() <= 40 * livejobs.RENDITIONS + in_flight
