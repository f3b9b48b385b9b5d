"""API tokens: issued once in clear, kept as a hash."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import Permission, User
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from media_catalog.models import ApiToken
from media_catalog.models.tokens import ApiTokenQuerySet

MARK = "mbo_"  # so that people and scanners know what it is
SECRET_BYTES = 32
SHOWN = len(MARK) + 6
USE_NOTED = timedelta(minutes=1)  # the last use is exact to this, so that not each request writes


def issue(
    *, name: str, user: User, scopes: Sequence[str], expires_at: datetime | None, issued_by: str
) -> tuple[ApiToken, str]:
    """A new token and its text, which nobody can tell afterwards."""
    text = MARK + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        name=name,
        user=user,
        prefix=text[:SHOWN],
        digest=_digest(text),
        scopes=list(scopes),
        expires_at=expires_at,
        created_by=issued_by,
    )
    return token, text


@dataclass(frozen=True, kw_only=True)
class Found:
    """A token, and which of the permissions that were asked about its user has."""

    token: ApiToken
    permissions: Collection[str]


def find(text: str, *, permissions: Sequence[str] = ()) -> Found | None:
    """The valid token with this text, its use noted; None for any other text. One query, and a write each minute.

    `permissions`, such as media_catalog.add_image, are looked up in the same query, as Django's ModelBackend has them:
    of the user or of a group, and all of them for a superuser.
    """
    now = timezone.now()
    token = _with_permissions(permissions).valid(now).select_related("user").filter(digest=_digest(text)).first()
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at > USE_NOTED:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    held = [name for number, name in enumerate(permissions) if getattr(token, f"permission_{number}")]
    return Found(token=token, permissions=permissions if token.user.is_superuser else held)


def _with_permissions(names: Sequence[str]) -> ApiTokenQuerySet:
    of_user = Q(user=OuterRef("user")) | Q(group__user=OuterRef("user"))
    asked = [name.split(".", 1) for name in names]
    held = [Permission.objects.filter(of_user, content_type__app_label=app, codename=code) for app, code in asked]
    return ApiToken.objects.annotate(**{f"permission_{number}": Exists(rows) for number, rows in enumerate(held)})


def revoke(*, token: ApiToken) -> bool:
    """Make it useless at once; False when it was revoked before."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()))


def _digest(text: str) -> str:
    """Of 256 random bits a plain hash is enough: there is nothing to guess."""
    return hashlib.sha256(text.encode()).hexdigest()
