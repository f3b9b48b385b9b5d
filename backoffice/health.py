"""`/healthz`: this process answers. `/readyz`: it can serve pages: database, migrations, cache.

Neither asks AWS, whose requests cost, nor the worker, which has a check of its own (`manage.py worker_health`): to take
the site away because jobs wait would only make it worse. Both are answered before Django looks at the host, which is
the task's own address, and before the redirect to https.
"""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from media_catalog.services import readiness

logger = logging.getLogger(__name__)
View = Callable[[HttpRequest], HttpResponseBase]


def answer_health_checks(get_response: View) -> View:
    """The outermost middleware."""
    readiness_check = Readiness()

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == "/healthz":
            return JsonResponse({"process": "ok"})
        if request.path_info == "/readyz":
            return readiness_check.answer()
        return get_response(request)

    return middleware


class Readiness:
    """What was migrated for this code stays so; it is asked until then."""

    def __init__(self) -> None:
        self._migrated = False

    def answer(self) -> JsonResponse:
        """200 when all is well, otherwise 503; the reasons are in the log, not in the answer."""
        database = _works("database", _database_answers)
        found = {
            "database": database,
            # The load balancer does not wait for a second answer of a database that gave none to the first.
            "migrations": database and _works("migrations", self._is_migrated),
            "cache": _works("cache", readiness.cache_answers),
        }
        state = {name: "ok" if well else "failed" for name, well in found.items()}
        return JsonResponse(state, status=200 if all(found.values()) else 503)

    def _is_migrated(self) -> bool:
        if not self._migrated:
            pending = readiness.pending_migrations()
            if pending:
                logger.warning("migrations are pending: %s", ", ".join(pending))
            self._migrated = not pending
        return self._migrated


def _database_answers() -> bool:
    readiness.ask_database()
    return True


def _works(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # of whatever driver
        logger.warning("not ready: %s", name, exc_info=True)
        return False
