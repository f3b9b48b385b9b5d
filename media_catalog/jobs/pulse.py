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

    def read(self) -> int:
        """Take in what was said since; returns how many times a task was begun or ended."""
        try:
            while data := os.read(self._pipe, 65536):
                self._rest += data
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        return sum(self._note(line.decode()) for line in lines)

    def lost(self) -> list[int]:
        """Processes that are gone without a word, and were not at work."""
        gone = [pid for pid in self._states if not holder.runs(pid)]
        states = {pid: self._states.pop(pid) for pid in gone}
        return [pid for pid, state in states.items() if state != BUSY]

    def _note(self, line: str) -> bool:
        pid, state = line.split()
        if state == ENDED:
            self._states.pop(int(pid), None)
        else:
            self._states[int(pid)] = state
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
