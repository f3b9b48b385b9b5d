"""Databases that fail the meter, each in the way of its kind, and a clock that can be set."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from unittest.mock import patch

import pytest
from django.db import connection
from django.utils import timezone

Trouble = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def database_away(transactional_db: None) -> Trouble:
    """`with database_away():` no connection can be made inside."""

    @contextmanager
    def away() -> Iterator[None]:
        nowhere = {"NAME": "/nonexistent/db.sqlite3"} if connection.vendor == "sqlite" else {"PORT": "1"}
        connection.close()
        with patch.dict(connection.settings_dict, nowhere):
            yield
        connection.close()

    return away


@pytest.fixture
def database_stuck(transactional_db: None) -> Trouble:
    """`with database_stuck():` the connection that is open fails at its next statement."""
    return _locked if connection.vendor == "sqlite" else _terminated


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """`at(moment)` sets the clock."""
    return lambda moment: monkeypatch.setattr(timezone, "now", lambda: moment)


@contextmanager
def _locked() -> Iterator[None]:
    """Another process writes for longer than we are ready to wait."""
    connection.close()
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as other,
        patch.dict(connection.settings_dict["OPTIONS"], timeout=0.05),
    ):
        other.execute("BEGIN IMMEDIATE")
        yield
    connection.close()


@contextmanager
def _terminated() -> Iterator[None]:
    """The server has ended our connection, as it does when it restarts."""
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
    yield
