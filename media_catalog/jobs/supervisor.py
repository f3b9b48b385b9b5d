"""Keeps one cluster of workers going: starts it, sees that it lives, recovers what it lost, and stops it cleanly.

A process runner signals the whole process group, and the cluster's inner processes, hit before their own orderly
stop, leave it hanging. So the cluster gets a session of its own and a lifeline, a pipe that closes when this process
stops or dies: see cluster.py.
"""

import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

from django.conf import settings
from django.db import connection
from django.utils import timezone

from media_catalog.models import Worker

from . import enqueue, holder, metrics, recovery
from .pulse import BUSY, Pulses

TICK_SECONDS = 1.0  # between two looks at the cluster, and for items that wait for their next try
RECOVER_SECONDS = 10.0
STEADY_SECONDS = 60.0  # a cluster that has lived for so long was not killed at once
LONGEST_WAIT_SECONDS = 60.0  # before a start
logger = logging.getLogger(__name__)


class Supervisor:
    """One for each `manage.py worker`. `run` returns when it was told to stop by SIGTERM, SIGINT or SIGHUP."""

    def __init__(self) -> None:
        self._stopping = False
        self._lifeline = -1  # our end of it
        self._recovered_at = -math.inf
        self._busy = False  # since the last sign of life
        self._restarts = 0
        self._me = holder.me() or holder.here()

    def run(self) -> None:
        """Raises SystemExit, with the reason, when the cluster ends by itself. One that was killed is started anew."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._sign_on()
        in_a_row = 0
        while not self._stopping:
            began = time.monotonic()
            code = self._run_cluster()
            if self._stopping:
                break
            if code is not None:
                sys.exit(f"The cluster ended with {code}.")
            in_a_row = in_a_row + 1 if time.monotonic() < began + STEADY_SECONDS else 1
            self._start_anew(wait_before(in_a_row))
        _attempt(self._sign_off)

    def _start_anew(self, wait: float) -> None:
        """No sign of life meanwhile: without a cluster nothing is worked at."""
        logger.warning("the cluster is started anew in %d s", wait)
        self._restarts += 1
        _attempt(self._note_restarts)
        self._recovered_at = -math.inf
        until = time.monotonic() + wait
        while not self._stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TICK_SECONDS))

    def _sign_on(self) -> None:
        """Say that we live, and that those do not that were killed here before they could sign off."""
        for worker in Worker.objects.filter(name__startswith=f"{holder.here()}:"):
            if holder.is_alive(worker.name) is False:
                worker.delete()
        Worker.objects.get_or_create(name=self._me)

    def _sign_off(self) -> None:
        Worker.objects.filter(name=self._me).delete()

    def _run_cluster(self) -> int | None:
        """Its exit status; None when it, or a process that it cannot do without, was killed."""
        _attempt(recovery.take_over)
        connection.close()
        inner, self._lifeline = os.pipe()
        reader, writer = os.pipe()
        process = _start_cluster(inner, writer)
        os.close(inner)
        os.close(writer)
        signal.signal(signal.SIGALRM, lambda *_signal: _kill_group(process))
        if self._stopping:  # told so while it started
            self._cut()
        code = self._watch(process, Pulses(reader))
        self._cut()
        signal.alarm(0)
        _kill_group(process)  # what is left when its head was killed
        os.close(reader)
        return code

    def _watch(self, process: subprocess.Popen[bytes], pulses: Pulses) -> int | None:
        broken = False
        while (code := _exit_status(process)) is None:
            broken |= self._is_broken(pulses)
            if broken:
                self._cut()
            elif not self._stopping:  # else it would dispatch to itself what it puts back
                _attempt(self._tend)
        broken |= self._is_broken(pulses)
        return None if broken or code < 0 else code

    def _is_broken(self, pulses: Pulses) -> bool:
        """Whether processes were killed while they waited. Those killed at work are replaced by the cluster itself."""
        tasks, gone = pulses.read()
        self._busy |= bool(tasks)
        if gone:
            self._recovered_at = -math.inf  # at once, as they may have held items
        waiting = [pid for pid, state in gone.items() if state != BUSY]
        if waiting and not self._stopping:
            logger.warning("processes %s of the cluster died while they waited", waiting)
        return bool(waiting)

    def _tend(self) -> None:
        """Dispatch what waits for its next try and, now and then, say that we live and recover."""
        if time.monotonic() < self._recovered_at + RECOVER_SECONDS:
            enqueue.dispatch_due()
            return
        self._recovered_at = time.monotonic()
        self._beat()
        recovery.recover()
        metrics.report()

    def _beat(self) -> None:
        now = timezone.now()
        signs = {"beat_at": now, "busy_at": now} if self._busy else {"beat_at": now}
        Worker.objects.filter(name=self._me).update(restarts=self._restarts, **signs)
        self._busy = False

    def _note_restarts(self) -> None:
        """At once: a cluster that is killed in its first second never comes to a beat."""
        Worker.objects.filter(name=self._me).update(restarts=self._restarts)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        signal.alarm(settings.WORKER_STOP_SECONDS)  # ends this process as well, should it have no cluster yet
        self._cut()

    def _cut(self) -> None:
        """Let the cluster stop, and kill what does not."""
        if self._lifeline >= 0:
            lifeline, self._lifeline = self._lifeline, -1
            os.close(lifeline)
            signal.alarm(settings.WORKER_STOP_SECONDS)


def wait_before(restart: int) -> float:
    """Seconds before the restart with this number of those in a row: 0, 1, 2, 4 and so on.

    What kills each cluster at once, as too little memory does, would have no end of starts otherwise.
    """
    doublings = min(restart - 2, 10)  # 2.0 has no power of thousands
    return min(2.0**doublings, LONGEST_WAIT_SECONDS) if restart > 1 else 0.0


def _attempt(step: Callable[[], object]) -> None:
    """What fails, as the database or the broker is away, is tried again with the next tick."""
    try:
        step()
    except Exception:
        logger.exception("not tended to")
        connection.close()


def _exit_status(process: subprocess.Popen[bytes]) -> int | None:
    """Waits for a tick; None when it still runs then."""
    try:
        return process.wait(TICK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _start_cluster(lifeline: int, pulses: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, sys.argv[0], "worker", f"--lifeline={lifeline}", f"--pulses={pulses}"]
    return subprocess.Popen(command, pass_fds=[lifeline, pulses], start_new_session=True)  # noqa: S603


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
