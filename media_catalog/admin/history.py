"""History entries: who did what to which rows."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Cast, Left
from django.http import HttpRequest
from django.utils import timezone

from media_catalog.exceptions import QuotaShort
from media_catalog.models import TrashedObject
from media_catalog.models.stored import StoredObject
from media_catalog.quota import usage
from media_catalog.quota.attribution import current

BATCH = 2000  # rows in memory
KEYED = (StoredObject, TrashedObject)  # called by their keys


def staff(request: HttpRequest) -> User:
    """The user of an admin view, which lets no anonymous one in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def log(request: HttpRequest, rows: Iterable[Model], flag: int, message: str) -> None:
    """One entry for each row: one query for KEYED ones however many they are, else a query for each BATCH."""
    if isinstance(rows, QuerySet) and issubclass(rows.model, KEYED):
        _log_keyed(staff(request), rows, flag, message)
        return
    waiting = iter(rows.iterator(chunk_size=BATCH) if isinstance(rows, QuerySet) else rows)
    while batch := list(islice(waiting, BATCH)):
        LogEntry.objects.log_actions(staff(request).pk, batch, flag, change_message=message, single_object=False)


def _log_keyed(user: User, rows: QuerySet[Any], flag: int, message: str) -> None:
    """Within the database, as a selection may have tens of thousands, which take seconds to come and go."""
    entry = {
        "action_time": Value(timezone.now(), models.DateTimeField()),
        "user_id": Value(user.pk),
        "content_type_id": Value(ContentType.objects.get_for_model(rows.model).pk),
        "object_id": Cast("pk", models.CharField()),
        "object_repr": Left("key", 200),  # what __str__ says, in the length of the column
        "action_flag": Value(flag),
        "change_message": Value(message),
    }
    names = {f"entry_{column}": value for column, value in entry.items()}
    try:
        sql, parameters = rows.order_by().annotate(**names).values_list(*names).query.sql_with_params()
    except EmptyResultSet:
        return
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"INSERT INTO {LogEntry._meta.db_table} ({', '.join(entry)}) {sql}", parameters)


def refused_by_quota(short: QuotaShort, operation: str) -> None:
    """A job that was asked for and does not fit: for the quota panel and the audit."""
    usage.record_refusal(list(short.shortfalls), operation=operation, who=current(), at=timezone.now())
