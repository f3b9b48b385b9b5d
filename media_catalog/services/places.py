"""Room for so many at a time, in one process."""

import threading


class Places:
    def __init__(self) -> None:
        self._taken: list[None] = []
        self._entering = threading.Lock()

    def enter(self, limit: int) -> bool:
        """Whether there was room among so many; then `leave` must follow."""
        with self._entering:
            if len(self._taken) >= limit:
                return False
            self._taken.append(None)
            return True

    def leave(self) -> None:
        self._taken.pop()  # without the lock: a finalizer may come in the midst of `enter`
