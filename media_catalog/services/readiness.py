"""Whether what every page and job needs is there. No AWS request."""

import logging
import secrets
import time

from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 2.0


def ask_database() -> None:
    """Raises django.db.Error when it does not answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def pending_migrations() -> list[str]:
    """Names of the migrations of this code that the database does not have."""
    executor = MigrationExecutor(connection)
    return [str(migration) for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def cache_answers() -> bool:
    """Whether it gives back what it was given. Its own error when it cannot be reached."""
    key, value = f"readiness-{secrets.token_hex(8)}", secrets.token_hex(8)
    cache.set(key, value, timeout=10)
    return bool(cache.get(key) == value)


def wait_for_database(seconds: float) -> None:
    """Return as soon as the database answers; OperationalError when it has not within so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask_database()
        except OperationalError:
            connection.close()
            if time.monotonic() + PAUSE_SECONDS > until:
                raise
            logger.warning("the database does not answer yet")
            time.sleep(PAUSE_SECONDS)
