"""SQLite takes far more parameters in a statement than Django 5.2 assumes (999), so fewer statements do."""

import sqlite3
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def use_all_parameters(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Receiver of `connection_created`: ask the library itself, as Django does from 6.0 on."""
    if connection.vendor == "sqlite":
        limit = connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        connection.features.max_query_params = limit  # of this instance alone
