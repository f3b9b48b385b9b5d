"""How much memory the pictures of a process may take at a time, however many threads ask.

Whoever reads a picture takes what that needs at worst, and waits for it in turn. What needs more than there is at all
is read by a child process (`apart`), and by nobody else meanwhile: so no process of ours grows by more, and what a
large picture takes goes back to the system with the child. docs/operations.md (Scaling) says why these figures fit.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TOGETHER = 256 * 1024**2
# A reader waits for its turn; longer, and whoever asked is no more there to hear (load balancers give up after 60).
_SECONDS = 15

_turn = threading.Lock()  # of whoever waits, so that small pictures cannot keep a large one waiting for ever
_changed = threading.Condition()
_taken: list[int] = []


@contextmanager
def taking(need: int) -> Iterator[None]:
    """So many bytes, as long as the context lasts. Raises MemoryError when they do not become free soon."""
    need = min(need, TOGETHER)
    _wait(need)
    try:
        yield
    finally:
        with _changed:
            _taken.remove(need)
            _changed.notify()


def _wait(need: int) -> None:
    end = time.monotonic() + _SECONDS
    if not _turn.acquire(timeout=_SECONDS):
        raise MemoryError
    try:
        with _changed:
            if not _changed.wait_for(lambda: sum(_taken) + need <= TOGETHER, end - time.monotonic()):
                raise MemoryError
            _taken.append(need)
    finally:
        _turn.release()
