"""Long polls: so many at a time in a process, and no database connection while one waits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from media_catalog.services.places import Places

from .errors import Refused

MAX_SECONDS = 25  # load balancers cut at 60, some clients at 30
PAUSE_SECONDS = 1.0
RETRY_SECONDS = 5
_waiters = Places()


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
