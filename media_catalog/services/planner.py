"""What the database's planner is told where it cannot know."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def joining_whole_tables() -> Iterator[None]:
    """Queries inside go through each table once, whatever PostgreSQL believes to know of them. In a transaction.

    Of a bucket that is younger than its statistics it expects one row, and would go through another table for each of
    the million that there are.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        yield
        cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")
