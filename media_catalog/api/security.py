"""Who asks: a logged-in session, a program with a token, or the Lambda with its signature."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security import APIKeyHeader, HttpBearer, SessionAuth

from media_catalog.models import ApiToken
from media_catalog.quota.attribution import attribute
from media_catalog.services import api_tokens, signatures

from .errors import Refused

MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A user, and the token that acts for it, if it is one."""

    user: User
    token: ApiToken | None = None

    @contextmanager
    def allowed(self, scope: ApiToken.Scope, permission: str = "") -> Iterator[None]:
        """Requests made inside are the caller's. Refuses what the token or the user may not."""
        if self.token and scope not in self.token.scopes:
            raise Refused(403, "permission_denied", _("This token may not do that."))
        if permission and not self.user.has_perm(permission):
            raise Refused(403, "permission_denied", _("You may not do that."))
        with attribute(username=self.user.get_username()):
            yield


class Session(SessionAuth):
    """CSRF is checked for those who are logged in; others are just not authenticated."""

    def __call__(self, request: HttpRequest) -> Caller | None:
        if not request.user.is_authenticated:
            return None
        user = super().__call__(request)
        return Caller(user=user) if isinstance(user, User) else None


class Token(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        found = api_tokens.find(token)
        if found is None:
            return None
        _throttle(found)
        return Caller(user=found.user, token=found)


class Signature(APIKeyHeader):
    """The Lambda's callback."""

    param_name = "X-Backoffice-Signature"

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return signatures.is_genuine(
            timestamp=request.headers.get("X-Backoffice-Timestamp", ""),
            signature=key or "",
            method=request.method or "",
            path=request.path,
            body=request.body,
        )


CALLER = [Token(), Session()]


def _throttle(token: ApiToken) -> None:
    """Count by the clock's minute; a few too many at once may pass, for the sake of simplicity."""
    now = time.time()
    place = f"api-token:{token.pk}:{int(now // MINUTE)}"
    count = 1 if cache.add(place, 1, 2 * MINUTE) else cache.incr(place)
    if count > settings.API_REQUESTS_PER_MINUTE:
        detail = _("This token may send %(limit)d requests a minute.") % {"limit": settings.API_REQUESTS_PER_MINUTE}
        raise Refused(429, "throttled", detail, retry_after=MINUTE - now % MINUTE)
