"""Databases of a test's own: copies of SQLite files, and on PostgreSQL on the server of TEST_DATABASE_URL."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

SERVER = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
SQLITE = "sqlite:///"


@contextlib.contextmanager
def postgres(template: str = "template1") -> Iterator[str]:
    """The URL of a new database, dropped at the end whoever is still connected."""
    name = f"backoffice_live_{secrets.token_hex(6)}"
    query(SERVER, SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    try:
        yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
    finally:
        query(SERVER, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextlib.contextmanager
def empty(vendor: str, data_dir: Path) -> Iterator[str]:
    """The URL of a new database without tables: "sqlite" in that directory, or "postgresql"."""
    if vendor == "sqlite":
        yield f"{SQLITE}{data_dir / 'db.sqlite3'}"
        return
    with postgres() as url:
        yield url


@contextlib.contextmanager
def copy(url: str, data_dir: Path) -> Iterator[str]:
    """The URL of a new database with the same content; on PostgreSQL nobody may be connected to the old one."""
    if not url.startswith(SQLITE):
        with postgres(template=urlsplit(url).path.lstrip("/")) as copied:
            yield copied
        return
    path = data_dir / "db.sqlite3"
    with (
        contextlib.closing(sqlite3.connect(url.removeprefix(SQLITE))) as old,
        contextlib.closing(sqlite3.connect(path)) as new,
    ):
        old.backup(new)
    yield f"{SQLITE}{path}"


def query(url: str, sql: Any, *parameters: Any) -> list[tuple[Any, ...]]:
    """What it returns, if anything; a placeholder is `?`. Committed."""
    if url.startswith(SQLITE):
        with contextlib.closing(sqlite3.connect(url.removeprefix(SQLITE), timeout=20)) as connection, connection:
            return connection.execute(sql, parameters).fetchall()
    with psycopg.connect(url, autocommit=True) as server:
        cursor = server.execute(sql.replace("?", "%s") if isinstance(sql, str) else sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def sessions_ended(url: str) -> int:
    """End all connections to a PostgreSQL database, as its restart would; returns how many there were."""
    return len(
        query(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
    )
