"""History entries: who did what to which rows."""

from collections.abc import Iterable
from itertools import islice

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from media_catalog.exceptions import QuotaShort
from media_catalog.quota import usage
from media_catalog.quota.attribution import current

BATCH = 2000  # rows in memory


def staff(request: HttpRequest) -> User:
    """The user of an admin view, which lets no anonymous one in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def log(request: HttpRequest, rows: Iterable[Model], flag: int, message: str) -> None:
    """One entry for each row, a query for each BATCH of them."""
    waiting = iter(rows.iterator(chunk_size=BATCH) if isinstance(rows, QuerySet) else rows)
    while batch := list(islice(waiting, BATCH)):
        LogEntry.objects.log_actions(staff(request).pk, batch, flag, change_message=message, single_object=False)


def refused_by_quota(short: QuotaShort, operation: str) -> None:
    """A job that was asked for and does not fit: for the quota panel and the audit."""
    usage.record_refusal(list(short.shortfalls), operation=operation, who=current(), at=timezone.now())
