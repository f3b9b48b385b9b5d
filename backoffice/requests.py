"""Gives each request an id, and writes one log line for each page, from which CloudWatch makes the latency metric."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from media_catalog.emf import metric_fields

from .logging import RequestIds, request_ids

logger = logging.getLogger(__name__)
HEADER = "X-Request-ID"
TRACE_HEADER = "X-Amzn-Trace-Id"  # set by the load balancer
SAFE_ID = re.compile(r"[\w=;:.-]{1,128}")
View = Callable[[HttpRequest], HttpResponseBase]


def identify_requests(get_response: View) -> View:
    """The outermost middleware but the health checks."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        ids = RequestIds(request=_request_id(request))
        token = request_ids.set(ids)
        begun = time.perf_counter()
        try:
            response = get_response(request)
            _log(request, response.status_code, milliseconds=(time.perf_counter() - begun) * 1000)
        finally:
            request_ids.reset(token)
        response[HEADER] = ids.request
        return response

    return middleware


def identify_users(get_response: View) -> View:
    """After the authentication."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        ids = request_ids.get()
        if ids:
            ids.user = request.user.pk
        return get_response(request)

    return middleware


def _request_id(request: HttpRequest) -> str:
    """The load balancer's trace id where there is one, so that its logs and ours can be joined."""
    given = request.headers.get(TRACE_HEADER, "")
    return given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex


def _log(request: HttpRequest, status: int, *, milliseconds: float) -> None:
    if request.resolver_match is None:  # a static file, a redirect to https, a page that is not there
        return
    metrics = metric_fields(
        {"PageLatency": (round(milliseconds, 1), "Milliseconds")},
        dimensions={"Deployment": settings.DEPLOYMENT_NAME},
        at=timezone.now(),
    )
    page = {"route": request.resolver_match.view_name, "method": request.method, "status": status}
    logger.info("page", extra={"fields": page | metrics})
