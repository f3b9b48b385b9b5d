"""Sessions out of the cache, and out of the database while the cache is away."""

import logging

from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as StoreInDatabase

logger = logging.getLogger(__name__)


class SessionStore(CachedStore):
    """Django's own puts what the database has into the cache when it reads it, and fails where there is none.

    Logging out still fails then: the cache would remember the session when it is back.
    """

    def load(self) -> dict[str, object]:
        try:
            return super().load()
        except Exception:  # each cache has errors of its own
            logger.warning("sessions are read from the database: the cache is away", exc_info=True)
            return StoreInDatabase.load(self)

    def exists(self, session_key: str) -> bool:
        return StoreInDatabase.exists(self, session_key)
