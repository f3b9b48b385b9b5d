"""API tokens: issued once in clear, kept as a hash."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from media_catalog.models import ApiToken

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


def find(text: str) -> ApiToken | None:
    """The valid token with this text, its use noted; None for any other text. One query, and a write each minute."""
    now = timezone.now()
    token = ApiToken.objects.valid(now).select_related("user").filter(digest=_digest(text)).first()
    if token and (token.last_used_at is None or now - token.last_used_at > USE_NOTED):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke(*, token: ApiToken) -> bool:
    """Make it useless at once; False when it was revoked before."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()))


def _digest(text: str) -> str:
    """Of 256 random bits a plain hash is enough: there is nothing to guess."""
    return hashlib.sha256(text.encode()).hexdigest()
