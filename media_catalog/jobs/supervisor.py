"""Keeps one cluster of workers going: starts it, sees that it lives, recovers what it lost, and stops it cleanly.

A process runner signals the whole process group, and the cluster's inner processes, hit before their own orderly
stop, leave it hanging. So the cluster gets a session of its own and a lifeline, a pipe that closes when this process
stops or dies: see cluster.py.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from media_catalog.models import Worker

from . import enqueue, holder, metrics, recovery
from .pulse import Pulses

TICK_SECONDS = 1.0  # between two looks at the cluster, and for items that wait for their next try
RECOVER_SECONDS = 10.0
FAST_DEATH_SECONDS = 10.0  # a cluster that does not live so long is not started again: something is wrong with it
logger = logging.getLogger(__name__)


class Supervisor:
    """One for each `manage.py worker`. `run` returns when it was told to stop by SIGTERM, SIGINT or SIGHUP."""

    def __init__(self) -> None:
        self._stopping = False
        self._lifeline = -1  # our end of it
        self._recovered_at = 0.0
        self._busy = False  # since the last sign of life
        self._me = holder.me() or holder.here()

    def run(self) -> None:
        """Raises SystemExit, with the reason, when the cluster ends by itself."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._sign_on()
        while not self._stopping:
            begun = time.monotonic()
            code = self._run_cluster()
            if self._stopping:
                break
            if code or time.monotonic() - begun < FAST_DEATH_SECONDS:
                sys.exit(f"The cluster ended with {code}.")
            logger.warning("the cluster is started anew")
            Worker.objects.filter(name=self._me).update(restarts=F("restarts") + 1)
        Worker.objects.filter(name=self._me).delete()

    def _sign_on(self) -> None:
        """Say that we live, and that those do not that were killed here before they could sign off."""
        for worker in Worker.objects.filter(name__startswith=f"{holder.here()}:"):
            if holder.is_alive(worker.name) is False:
                worker.delete()
        Worker.objects.get_or_create(name=self._me)

    def _run_cluster(self) -> int:
        """Its exit status; 0 also when it was ended here, because it had lost a process that it cannot do without."""
        recovery.take_over()
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
        signal.alarm(0)
        _kill_group(process)  # what is left when its head was killed
        os.close(reader)
        self._cut()
        return code

    def _watch(self, process: subprocess.Popen[bytes], pulses: Pulses) -> int:
        lost: list[int] = []
        while True:
            try:
                code = process.wait(TICK_SECONDS)
            except subprocess.TimeoutExpired:
                self._busy |= bool(pulses.read())
                gone = pulses.lost()
                if gone and not lost and not self._stopping:
                    logger.warning("processes %s of the cluster died while they waited", gone)
                    lost = gone
                    self._cut()
                self._tend()
            else:
                return 0 if lost else code

    def _tend(self) -> None:
        """Say that we live, dispatch what waits for its next try and, now and then, recover."""
        try:
            if time.monotonic() > self._recovered_at + RECOVER_SECONDS:
                self._recovered_at = time.monotonic()
                self._beat()
                recovery.recover()
                metrics.report()
            else:
                enqueue.dispatch_due()
        except Exception:  # database or broker away: the next tick tries again
            logger.exception("not tended to")
            connection.close()

    def _beat(self) -> None:
        now = timezone.now()
        signs = {"beat_at": now, "busy_at": now} if self._busy else {"beat_at": now}
        Worker.objects.filter(name=self._me).update(**signs)
        self._busy = False

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


def _start_cluster(lifeline: int, pulses: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, sys.argv[0], "worker", f"--lifeline={lifeline}", f"--pulses={pulses}"]
    return subprocess.Popen(command, pass_fds=[lifeline, pulses], start_new_session=True)  # noqa: S603


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
