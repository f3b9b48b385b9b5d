"""The audit: changes of limits with their reasons, and what else must not pass unseen."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from media_catalog.models import AuditEvent, LimitOverride, RequestLimit

FIELDS = ("limit", "headroom", "warn_percent", "source", "source_note")
FIRST = 10  # keys that a row names


def values(limit: RequestLimit) -> dict[str, Any]:
    """What an audit row keeps of a limit."""
    return {**{name: getattr(limit, name) for name in FIELDS}, "source_date": limit.source_date.isoformat()}


def note(action: str, *, target: str, username: str, before: dict[str, Any] | None = None) -> None:
    """An audit row about something that has no other figures."""
    AuditEvent.objects.create(username=username, action=action, target=target, before=before or {})


def changed(action: str, *, target: str, username: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """An audit row about what differs; none when nothing does."""
    names = [name for name in after if name not in before or before[name] != after[name]]
    if names:
        AuditEvent.objects.create(
            username=username,
            action=action,
            target=target,
            before={name: before[name] for name in names if name in before},
            after={name: after[name] for name in names},
        )


def deleted(action: str, *, bucket: str, keys: Sequence[str], username: str) -> None:
    """An audit row about objects that are deleted for good: how many, and the first of them."""
    if keys:
        note(action, target=bucket, username=username, before={"count": len(keys), "first": list(keys[:FIRST])})


def limit_changed(limit: RequestLimit, *, before: dict[str, Any], username: str, reason: str) -> None:
    AuditEvent.objects.create(
        username=username,
        action=AuditEvent.Action.LIMIT_CHANGED,
        target=str(limit),
        before=before,
        after=values(limit),
        reason=reason,
    )


def add_override(*, limit: RequestLimit, figure: int, until: datetime, reason: str, username: str) -> LimitOverride:
    """Another figure for a limit until a moment, with its audit row."""
    with transaction.atomic():
        override = LimitOverride.objects.create(
            request_limit=limit, limit=figure, reason=reason, created_by=username, expires_at=until
        )
        AuditEvent.objects.create(
            username=username,
            action=AuditEvent.Action.OVERRIDE_ADDED,
            target=str(limit),
            before={"limit": limit.limit},
            after={"limit": figure, "until": until.isoformat()},
            reason=reason,
        )
    return override


def end_override(override: LimitOverride, *, username: str) -> None:
    """End a temporary figure before its time."""
    now = timezone.now()
    with transaction.atomic():
        if not LimitOverride.objects.filter(pk=override.pk, expires_at__gt=now).update(expires_at=now):
            return
        AuditEvent.objects.create(
            username=username,
            action=AuditEvent.Action.OVERRIDE_ENDED,
            target=str(override.request_limit),
            before={"limit": override.limit, "until": override.expires_at.isoformat()},
            after={"limit": override.request_limit.limit},
            reason=override.reason,
        )
