"""An app for tests: each query that a process sends to PostgreSQL adds a byte to the file QUERIES.

Those count that Django's own log leaves out, as of the health of a connection; BEGIN and COMMIT do not.
"""

import os
from typing import Any

import psycopg
from django.apps import AppConfig


class CountingConfig(AppConfig):
    name = "tests.counting"

    def ready(self) -> None:
        if path := os.environ.get("QUERIES"):
            _count(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))


def _count(file: int) -> None:
    send = psycopg.Cursor.execute

    def execute(self: Any, *query: Any, **options: Any) -> Any:
        os.write(file, b".")
        return send(self, *query, **options)

    psycopg.Cursor.execute = execute  # type: ignore[method-assign]
