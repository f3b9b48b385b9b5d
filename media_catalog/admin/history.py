"""History entries: who did what to which rows."""

from collections.abc import Iterable

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from media_catalog.exceptions import QuotaShort
from media_catalog.quota import usage
from media_catalog.quota.attribution import current


def staff(request: HttpRequest) -> User:
    """The user of an admin view, which lets no anonymous one in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def log(request: HttpRequest, rows: Iterable[Model], flag: int, message: str) -> None:
    """One entry for each row, in one query."""
    LogEntry.objects.log_actions(staff(request).pk, list(rows), flag, change_message=message, single_object=False)


def refused_by_quota(short: QuotaShort, operation: str) -> None:
    """A job that was asked for and does not fit: for the quota panel and the audit."""
    usage.record_refusal(list(short.shortfalls), operation=operation, who=current(), at=timezone.now())
