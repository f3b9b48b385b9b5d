"""Long polls: so many at a time in a process, and no database connection while one waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from .errors import Refused

MAX_SECONDS = 25  # load balancers cut at 60, some clients at 30
PAUSE_SECONDS = 1.0
RETRY_SECONDS = 5


class _Waiters:
    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def enter(self, limit: int) -> bool:
        with self._lock:
            if self._count >= limit:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._count -= 1


_waiters = _Waiters()


def until(is_over: Callable[[], bool], seconds: float) -> None:
    """Ask once a second until it is so, or the time is over. Refuses (503) above API_MAX_WAITERS in this process."""
    end = time.monotonic() + seconds
    with _place():
        while not is_over() and (left := end - time.monotonic()) > 0:
            _release_connection()
            time.sleep(min(PAUSE_SECONDS, left))


@contextmanager
def _place() -> Iterator[None]:
    if not _waiters.enter(settings.API_MAX_WAITERS):
        detail = _("Too many clients wait at present. Ask again without wait, or later.")
        raise Refused(503, "too_many_waiters", detail, retry_after=RETRY_SECONDS)
    try:
        yield
    finally:
        _waiters.leave()


def _release_connection() -> None:
    """Not in a transaction, where a test runs the whole request."""
    if not connection.in_atomic_block:
        connection.close()
