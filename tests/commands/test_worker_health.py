"""`manage.py worker_health` tells a container's health check whether the worker lives and the queue moves."""

import subprocess

import pytest

from tests import livejobs
from tests.stack import Stack, kill_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
AGE = """
from datetime import timedelta
from django.db.models import F
from media_catalog.models import Worker
Worker.objects.update({field}=F("{field}") - timedelta(seconds={seconds}))
"""
ELSEWHERE = """
from media_catalog.models import Worker
Worker.objects.create(name="elsewhere/1:1:1")
"""
PAUSE = """
from media_catalog.jobs import control
assert control.pause_queue(by="editor")
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("prepared")) as prepared:
        yield prepared


@pytest.fixture
def stack(prepared, tmp_path):
    with prepared.copy(tmp_path) as stack:
        yield stack


@pytest.fixture
def worker(stack) -> subprocess.Popen[bytes]:
    """One that has given a sign of life."""
    worker = stack.start_worker()
    wait_for(lambda: stack.query("SELECT name FROM media_catalog_worker"), 20)
    return worker


def _age(stack: Stack, field: str, *, seconds: int) -> None:
    """As if so much time had passed since."""
    stack.python(AGE.format(field=field, seconds=seconds))


def test_never_started(stack):
    assert stack.outcome("worker_health") == (1, "No worker has given a sign of life here.")


def test_well(stack, worker):
    assert stack.outcome("worker_health") == (0, "The worker is well.")
    assert stack.outcome("worker_health", "-v0") == (0, "")


def test_stopped(stack, worker):
    worker.terminate()
    worker.wait(10)

    assert stack.outcome("worker_health") == (1, "No worker has given a sign of life here.")


def test_killed(stack, worker):
    kill_tree(worker)

    _age(stack, "beat_at", seconds=31)

    code, said = stack.outcome("worker_health")
    assert code == 1
    assert said.startswith("The worker has given no sign of life since 20")


def test_well_again_with_the_next_one(stack, worker):
    kill_tree(worker)
    _age(stack, "beat_at", seconds=31)

    stack.start_worker()

    wait_for(lambda: stack.outcome("worker_health")[0] == 0, 20)
    assert len(stack.query("SELECT name FROM media_catalog_worker")) == 1


class TestQueue:
    """Its command is killed after the sign of life, so tasks wait, as in a cluster that hangs."""

    @pytest.fixture
    def job(self, stack, worker) -> int:
        kill_tree(worker)
        return livejobs.start_job_of(stack, 1)

    def test_waits_for_a_moment(self, stack, job):
        assert stack.outcome("worker_health") == (0, "The worker is well.")

    def test_stuck(self, stack, job):
        _age(stack, "busy_at", seconds=271)

        assert stack.outcome("worker_health") == (1, "The worker is stuck: 1 tasks wait, and it has begun none.")

    def test_stuck_while_another_host_works(self, stack, job):
        _age(stack, "busy_at", seconds=271)
        stack.python(ELSEWHERE)

        assert stack.outcome("worker_health") == (1, "The worker is stuck: 1 tasks wait, and it has begun none.")

    def test_paused_is_not_stuck(self, stack, job):
        _age(stack, "busy_at", seconds=271)
        stack.python(PAUSE)

        assert stack.outcome("worker_health") == (0, "The worker is well.")

    def test_busy_is_not_stuck(self, stack, job):
        """A busy sign counts again once a worker takes the task."""
        _age(stack, "busy_at", seconds=271)

        stack.start_worker()

        livejobs.wait_until_finished(stack, job, 20)
        assert stack.outcome("worker_health") == (0, "The worker is well.")
