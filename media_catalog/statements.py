"""Single statements, without what several need to belong together."""

from contextlib import AbstractContextManager, nullcontext

from django.db import connection, transaction


def alone() -> AbstractContextManager[None]:
    """Around one statement whose IntegrityError is an answer.

    Outside of a transaction it is one by itself: BEGIN and COMMIT would be two more ways to the database and back.
    """
    return transaction.atomic() if connection.in_atomic_block else nullcontext()
