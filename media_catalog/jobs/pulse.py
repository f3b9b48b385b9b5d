"""What the processes of a cluster are at, told through a pipe to the command that has started them.

A process of django-q2 that is killed while it waits at the cluster's internal queue takes the queue's lock along: all
others then wait for ever, and nothing tells. One that is killed at work holds no lock. So who is gone without a word
and was not busy means that the cluster must be started anew.
"""

import os
from multiprocessing import util
from typing import Any

from django_q.signals import post_execute_in_worker, pre_execute

from . import holder

BEGUN, BUSY, IDLE, ENDED = "begun", "busy", "idle", "ended"


def send_to(pipe: int) -> None:
    """Have this process's descendants of multiprocessing say through the pipe when they begin, work and end."""
    sender = _Sender(pipe)
    util.register_after_fork(sender, _Sender.begin)
    pre_execute.connect(sender.busy)
    post_execute_in_worker.connect(sender.idle)
    _keep.append(sender)  # both registers hold it weakly


class Pulses:
    """Reads what they say. `pipe` is the end to read from; it is made non-blocking."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._rest = b""
        self._states: dict[int, str] = {}

    def read(self) -> tuple[int, dict[int, str]]:
        """How many times a task was begun or ended since, and what those were last at who are gone without a word."""
        dead = [pid for pid in self._states if not holder.runs(pid)]  # first: who ends says so before it is gone
        tasks = sum(self._note(line) for line in self._lines())
        return tasks, {pid: self._states.pop(pid) for pid in dead if pid in self._states}

    def _lines(self) -> list[str]:
        try:
            while data := os.read(self._pipe, 65536):
                self._rest += data
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        return [line.decode() for line in lines]

    def _note(self, line: str) -> bool:
        pid, state = line.split()
        if state != ENDED:
            self._states[int(pid)] = state
        elif self._states.get(int(pid)) != BUSY:  # one that ends in the middle of a task leaves it
            self._states.pop(int(pid), None)
        return state in (BUSY, IDLE)


_keep: list[object] = []


class _Sender:
    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def begin(self) -> None:
        self._say(BEGUN)
        util.Finalize(None, self._say, args=(ENDED,), exitpriority=0)

    def busy(self, **_signal: Any) -> None:
        self._say(BUSY)

    def idle(self, **_signal: Any) -> None:
        self._say(IDLE)

    def _say(self, what: str) -> None:
        # So short that it is written whole or not at all.
        os.write(self._pipe, f"{os.getpid()} {what}\n".encode())
