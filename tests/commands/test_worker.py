"""`manage.py worker` ends with all its processes, however it ends, and goes on when some of them are killed."""

import os
import signal
import subprocess
import time

import pytest

from media_catalog.jobs.supervisor import wait_before
from tests import livejobs
from tests.stack import Stack, is_alive, process_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
END_SECONDS = 8  # WORKER_STOP_SECONDS and some for a busy machine
ANEW_SECONDS = 20  # until a job that is started after a kill is done: a look, a stop, a start
IMAGES = 4
COMMAND, HEAD, SENTINEL, ONE_WORKER, OTHER_WORKER, MONITOR, PUSHER = range(7)  # in the order of their start
ALL = 7


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("prepared")) as prepared:
        yield prepared


@pytest.fixture
def stack(prepared, tmp_path):
    with prepared.copy(tmp_path) as stack:
        yield stack


def _started(stack: Stack, *, processes: int = ALL) -> tuple[subprocess.Popen[bytes], list[int]]:
    worker = stack.start_worker()
    wait_for(lambda: len(process_tree(worker.pid)) >= processes, 20)
    return worker, process_tree(worker.pid)


def _all_end(processes: list[int]) -> None:
    try:
        wait_for(lambda: not any(is_alive(pid) for pid in processes), END_SECONDS)
    finally:
        for pid in filter(is_alive, processes):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop(stack, how):
    worker, processes = _started(stack)

    worker.send_signal(how)

    _all_end(processes)
    assert worker.wait(1) == 0, stack.log("worker")
    assert "Traceback" not in stack.log("worker")
    assert stack.query("SELECT * FROM media_catalog_worker") == []


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_told_to_stop_while_it_starts(stack, processes):
    worker, begun = _started(stack, processes=processes)

    worker.send_signal(signal.SIGTERM)

    worker.wait(END_SECONDS)
    _all_end([*begun, *_of_this(stack)])


def test_killed(stack):
    worker, processes = _started(stack)

    worker.kill()

    _all_end(processes)


def test_killed_together_with_the_head_of_its_cluster(stack):
    _worker, processes = _started(stack)

    os.kill(processes[COMMAND], signal.SIGKILL)
    os.kill(processes[HEAD], signal.SIGKILL)

    _all_end(processes)


@pytest.mark.parametrize("which", [HEAD, SENTINEL, ONE_WORKER, OTHER_WORKER, MONITOR, PUSHER])
def test_a_cluster_that_lost_a_waiting_process_is_started_anew(stack, which):
    worker, processes = _started(stack)
    time.sleep(1)  # until all wait: one that does not yet is replaced by the cluster itself

    os.kill(processes[which], signal.SIGKILL)

    job = livejobs.start_job_of(stack, IMAGES)
    livejobs.wait_until_finished(stack, job, ANEW_SECONDS)
    assert livejobs.items(stack, job) == {"done": IMAGES}
    wait_for(lambda: livejobs.restarts(stack) == 1, 5)
    assert not set(process_tree(worker.pid)) & set(processes[HEAD:])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(END_SECONDS) == 0, stack.log("worker")
    _all_end([*processes, *_of_this(stack)])


def test_a_cluster_that_is_killed_at_once_each_time_is_waited_with(stack):
    worker = stack.start_worker()
    for wait in (0, 1, 2, 4):
        head = wait_for(lambda: process_tree(worker.pid)[HEAD:], 20)[0]
        os.kill(head, signal.SIGKILL)
        wait_for(lambda wait=wait: f"started anew in {wait} s" in stack.log("worker"), 5)
    assert process_tree(worker.pid) == [worker.pid]

    worker.send_signal(signal.SIGTERM)  # in the middle of the wait

    assert worker.wait(3) == 0, stack.log("worker")


def test_waits_grow_to_a_minute():
    assert [wait_before(number) for number in (1, 2, 3, 4, 7, 8, 9, 2000)] == [0, 1, 2, 4, 32, 60, 60, 60]


def test_a_worker_killed_at_work_is_replaced_without_that(stack):
    with livejobs.proxied(stack) as proxy:
        proxy.hold_puts.set()
        worker = stack.start_worker(**livejobs.behind(proxy))
        job = livejobs.start_job_of(stack, IMAGES)
        assert proxy.held.wait(20), stack.log("worker")
        [(name,)] = stack.query("SELECT worker FROM media_catalog_jobitem WHERE state = 'running'")
        head = process_tree(worker.pid)[HEAD]

        os.kill(int(name.split(":")[1]), signal.SIGKILL)

        proxy.hold_puts.clear()
        livejobs.wait_until_finished(stack, job, ANEW_SECONDS)
    assert livejobs.items(stack, job) == {"done": IMAGES}
    assert livejobs.attempts(stack, job) == [1, 2]
    assert livejobs.restarts(stack) == 0
    assert process_tree(worker.pid)[HEAD] == head


def test_a_cluster_that_cannot_start_ends_the_command_with_the_reason(stack):
    """Nobody listens on the port, so django-q2 finds no broker."""
    worker = stack.start_worker(QUEUE_BROKER="redis", REDIS_URL="redis://127.0.0.1:1/0")

    assert worker.wait(30) == 1
    assert "The cluster ended with 1." in stack.log("worker")
    assert _of_this(stack) == []


def _of_this(stack: Stack) -> list[int]:
    """Processes that work on the stack's data, whoever is their parent now."""
    listed = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
    lines = [line for line in listed.stdout.splitlines() if f"DATA_DIR={stack.data_dir}" in line]
    return [int(line.split()[0]) for line in lines if "manage.py worker" in line]
