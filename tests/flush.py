"""Emptying the tables behind tests that commit, although the database refuses to delete audit events."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.db import transaction
from django.db.backends.sqlite3.base import DatabaseOperations  # `.operations` cannot be imported first

TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"


@pytest.fixture(scope="session", autouse=True)
def flush_guarded_tables() -> Iterator[None]:
    """On SQLite the tables are emptied by DELETE, which fires triggers: they are taken off and put back around it.

    PostgreSQL empties by TRUNCATE, which fires none of ours.
    """
    flush = DatabaseOperations.execute_sql_flush

    def flush_without_triggers(operations: DatabaseOperations, statements: list[str]) -> None:
        with transaction.atomic(), operations.connection.cursor() as cursor:
            triggers = cursor.execute(TRIGGERS).fetchall()
            for name, _sql in triggers:
                cursor.execute(f'DROP TRIGGER "{name}"')
            flush(operations, statements)
            for _name, sql in triggers:
                cursor.execute(sql)

    with patch.object(DatabaseOperations, "execute_sql_flush", flush_without_triggers):
        yield
