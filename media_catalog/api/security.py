"""Who asks: a logged-in session, a program with a token, or the Lambda with its signature."""

import time
from collections.abc import Collection, Iterator
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
# What a user needs for what a token's scope allows, beside being logged in.
PERMISSIONS = {ApiToken.Scope.UPLOAD: "media_catalog.add_image", ApiToken.Scope.RESULTS: "media_catalog.view_image"}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A user, and the token that acts for it, if it is one, with the permissions that the user has then."""

    user: User
    token: ApiToken | None = None
    permissions: Collection[str] = ()

    @contextmanager
    def allowed(self, scope: ApiToken.Scope) -> Iterator[None]:
        """Requests made inside are the caller's. Refuses what the token or the user may not."""
        if self.token and scope not in self.token.scopes:
            raise Refused(403, "permission_denied", _("This token may not do that."))
        permission = PERMISSIONS.get(scope)
        if permission and not self._has(permission):
            raise Refused(403, "permission_denied", _("You may not do that."))
        with attribute(username=self.user.get_username()):
            yield

    def _has(self, permission: str) -> bool:
        return permission in self.permissions if self.token else self.user.has_perm(permission)


class Session(SessionAuth):
    """CSRF is checked for those who are logged in; others are just not authenticated."""

    def __call__(self, request: HttpRequest) -> Caller | None:
        if not request.user.is_authenticated:
            return None
        user = super().__call__(request)
        return Caller(user=user) if isinstance(user, User) else None


class Token(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        found = api_tokens.find(token, permissions=list(PERMISSIONS.values()))
        if found is None:
            return None
        _throttle(found.token)
        return Caller(user=found.token.user, token=found.token, permissions=found.permissions)


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
