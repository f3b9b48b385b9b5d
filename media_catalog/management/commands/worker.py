"""Run django-q2's cluster so that it stops cleanly.

A process runner signals the whole process group, and the cluster's inner processes, hit before their own orderly
stop, leave it hanging. So the cluster gets a session of its own, and only its head hears of the stop.
"""

import os
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from media_catalog.jobs import schedules


class Command(BaseCommand):
    help = "Run the background workers until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        # What a killed predecessor left behind need not wait for the clock.
        schedules.recover()
        connection.close()
        cluster = subprocess.Popen([sys.executable, sys.argv[0], "qcluster"], start_new_session=True)  # noqa: S603
        stopping = False

        def stop(_signal: int, _frame: FrameType | None) -> None:
            nonlocal stopping
            if not stopping:
                stopping = True
                cluster.send_signal(signal.SIGTERM)
                signal.alarm(settings.WORKER_STOP_SECONDS)

        def kill(_signal: int, _frame: FrameType | None) -> None:
            os.killpg(cluster.pid, signal.SIGKILL)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGALRM, kill)
        code = cluster.wait()
        signal.alarm(0)
        if code and not stopping:
            sys.exit(f"The cluster ended with {code}.")
