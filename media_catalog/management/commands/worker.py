"""Run django-q2's cluster so that it stops cleanly.

A process runner signals the whole process group, and the cluster's inner processes, hit before their own orderly
stop, leave it hanging. So the cluster gets a session of its own and a lifeline, a pipe that closes when this command
stops or dies: see jobs/cluster.py.
"""

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection

from media_catalog.jobs import cluster, recovery

RECOVER_SECONDS = 10
logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Run the background workers until SIGTERM, SIGHUP or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)  # the cluster, started by this command

    def handle(self, *args: Any, lifeline: int | None, **options: Any) -> None:
        if lifeline is None:
            _supervise()
        else:
            cluster.run(lifeline)


def _supervise() -> None:
    inner, outer = os.pipe()
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            os.close(outer)
            signal.alarm(settings.WORKER_STOP_SECONDS)

    def kill(_signal: int, _frame: FrameType | None) -> None:
        _kill_group(process)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    recovery.take_over()
    connection.close()
    process = _start_cluster(inner)
    signal.signal(signal.SIGALRM, kill)  # before, the alarm ends this command, as nothing is to be waited for
    code = _wait(process)
    signal.alarm(0)
    _kill_group(process)  # what is left when its head was killed
    if code and not stopping:
        sys.exit(f"The cluster ended with {code}.")


def _start_cluster(lifeline: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, sys.argv[0], "worker", f"--lifeline={lifeline}"]
    return subprocess.Popen(command, pass_fds=[lifeline], start_new_session=True)  # noqa: S603


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit status of the cluster. Until then, recovers each RECOVER_SECONDS."""
    while True:
        try:
            return process.wait(RECOVER_SECONDS)
        except subprocess.TimeoutExpired:
            _recover()


def _recover() -> None:
    try:
        recovery.recover()
    except Error:
        logger.exception("recovery failed; it is tried again in %s s", RECOVER_SECONDS)
    finally:
        connection.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
