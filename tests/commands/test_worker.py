"""`manage.py worker` ends with all its processes, however it ends."""

import os
import signal
import subprocess

import pytest

from tests.stack import Stack, is_alive, process_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
END_SECONDS = 8  # WORKER_STOP_SECONDS and some for a busy machine


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path) as stack:
        yield stack


def _started(stack: Stack, *, processes: int = 7) -> tuple[subprocess.Popen[bytes], list[int]]:
    """All of them: the command, the cluster's head, its sentinel, pusher, monitor and two workers."""
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

    os.kill(processes[0], signal.SIGKILL)
    os.kill(processes[1], signal.SIGKILL)

    _all_end(processes)


@pytest.mark.parametrize("which", [1, 2], ids=["head", "sentinel"])
def test_a_cluster_that_dies_is_said_and_leaves_nothing(stack, which):
    worker, processes = _started(stack)

    os.kill(processes[which], signal.SIGKILL)

    assert worker.wait(END_SECONDS) == 1
    assert "The cluster ended" in stack.log("worker")
    _all_end(processes)


def _of_this(stack: Stack) -> list[int]:
    """Processes that work on the stack's data, whoever is their parent now."""
    listed = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
    lines = [line for line in listed.stdout.splitlines() if f"DATA_DIR={stack.data_dir}" in line]
    return [int(line.split()[0]) for line in lines if "manage.py worker" in line]
