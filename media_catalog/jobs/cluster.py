"""django-q2's cluster on a lifeline: a pipe whose other end only `manage.py worker` holds.

The pipe closes when that command wants to stop and also when it dies, in whatever way. All processes of the cluster
share it: the runner takes no further items, and each process sees to it that none outlives WORKER_STOP_SECONDS.
Through a second pipe they say what they are at; see pulse.py.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.conf import settings
from django_q.cluster import Cluster
from django_q.signals import post_spawn

from . import pulse

ITEM_SHARE = 0.5  # of WORKER_STOP_SECONDS for a running item to end by itself; the cluster's own end takes about 1.5 s

_lifeline: int | None = None
_interruptible = False


class Interrupted(KeyboardInterrupt):
    """Raised in the middle of an item when the time to stop is over. Of this class, so that psycopg cleans up."""


def run(lifeline: int, pulses: int) -> None:
    """Run the cluster until the lifeline is cut; `pulses` is where its processes write. Both are file descriptors.

    SystemExit when the cluster ends before.
    """
    global _lifeline
    _lifeline = lifeline
    pulse.send_to(pulses)
    post_spawn.connect(_end_in_time)
    cluster = Cluster()
    cluster.start()
    _end_in_time()  # after the fork, which takes no threads along
    sentinel: Any = cluster.sentinel
    while sentinel.is_alive():
        if select.select([lifeline], [], [], 1)[0]:
            cluster.stop()
            return
    if not stopping():
        sys.exit("The cluster has lost its sentinel.")


def stopping() -> bool:
    """Whether the lifeline is cut. Never so in a cluster that was started without one."""
    return _lifeline is not None and bool(select.select([_lifeline], [], [], 0)[0])


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, `Interrupted` may be raised; elsewhere in a worker it would do harm."""
    global _interruptible
    _interruptible = True
    try:
        yield
    finally:
        _interruptible = False


def _end_in_time(**_signal: Any) -> None:
    signal.signal(signal.SIGUSR1, _interrupt)
    threading.Thread(target=_watch, daemon=True).start()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    if _interruptible:
        raise Interrupted


def _watch() -> None:
    assert _lifeline is not None  # noqa: S101
    select.select([_lifeline], [], [])
    patience = settings.WORKER_STOP_SECONDS * ITEM_SHARE
    time.sleep(patience)
    main = threading.main_thread().ident
    assert main is not None  # noqa: S101
    signal.pthread_kill(main, signal.SIGUSR1)
    time.sleep(settings.WORKER_STOP_SECONDS - patience)
    os.killpg(0, signal.SIGKILL)  # the cluster has a session, and so a group, of its own
