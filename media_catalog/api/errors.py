"""Whatever goes wrong, as JSON: `detail` in words, `code` for programs."""

import json
import logging
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from media_catalog.exceptions import (
    BackofficeError,
    MetadataRefused,
    QuotaRefused,
    QuotaShort,
    ReportConflict,
    ReportRefused,
)
from media_catalog.quota import reservations, usage
from media_catalog.quota.attribution import current
from media_catalog.services.sentences import sentence

logger = logging.getLogger(__name__)
# Our errors that are not the fault of AWS or of our settings, which are all 503.
STATUSES: dict[type[BackofficeError], int] = {MetadataRefused: 400, ReportRefused: 400, ReportConflict: 409}
BAD_INPUT = {"POST": "presigned_url_generation_error", "PUT": "callback_error"}
HTTP_CODES = {401: "not_authenticated", 403: "permission_denied", 404: "not_found"}
RETRY_SECONDS = 30  # after a fault of AWS


class Refused(Exception):
    """A request that is answered with this status, `detail` and `code`."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after


class StrictParser(Parser):
    """JSON that every database can keep: no NUL, no half of a surrogate pair, no NaN."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            data = json.loads(request.body, parse_constant=_refuse_constant)
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(data, dict):
            raise TypeError("not an object")
        if "\\u0000" in json.dumps(data):
            raise ValueError("NUL")
        return data


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def problem(status: int, code: str, detail: str, *, retry_after: float | None = None) -> HttpResponse:
    response = HttpResponse(
        json.dumps({"detail": detail, "code": code}), status=status, content_type="application/json"
    )
    if retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


def install(api: NinjaAPI) -> None:
    for kind, handler in {
        Refused: _refused,
        BackofficeError: _ours,
        ValidationError: _invalid,
        AuthenticationError: _not_authenticated,
        HttpError: _http,
        Http404: _not_found,
        SuspiciousOperation: _suspicious,
        Exception: _failed,
    }.items():
        api.add_exception_handler(kind, handler)


def with_problems(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view with a JSON answer to methods that it has not."""

    @wraps(view)
    def answering(*args: Any, **kwargs: Any) -> HttpResponse:
        response = view(*args, **kwargs)
        if response.status_code != 405:
            return response
        refusal = problem(405, "method_not_allowed", _("Not with this method."))
        refusal["Allow"] = response["Allow"]
        return refusal

    return answering


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(error.status, error.code, error.detail, retry_after=error.retry_after)


def _ours(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, QuotaShort | QuotaRefused):
        return _over_quota(error)
    if isinstance(error, MetadataRefused):
        return problem(400, BAD_INPUT["POST"], sentence(error))
    status = STATUSES.get(type(error), 503)
    return problem(status, error.code, sentence(error), retry_after=RETRY_SECONDS if status == 503 else None)


def _over_quota(error: QuotaShort | QuotaRefused) -> HttpResponse:
    """What a reservation could not get is noted here, as the admin does; a single request is noted by the meter."""
    now = timezone.now()
    if isinstance(error, QuotaShort):
        shortfalls = list(error.shortfalls)
        usage.record_refusal(shortfalls, operation="presigned upload", who=current(), at=now)
    else:
        shortfalls = [error.shortfall]
    wait = (reservations.reset(shortfalls) - now).total_seconds()
    return problem(429, "quota", sentence(error), retry_after=wait)


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    said = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors)
    return problem(400, BAD_INPUT.get(request.method or "", "bad_request"), said)


def _not_authenticated(request: HttpRequest, error: Any) -> HttpResponse:
    response = problem(401, HTTP_CODES[401], _("Log in, or send a valid API token."))
    response["WWW-Authenticate"] = "Bearer"
    return response


def _http(request: HttpRequest, error: Any) -> HttpResponse:
    bad_input = BAD_INPUT.get(request.method or "", "bad_request")
    return problem(error.status_code, HTTP_CODES.get(error.status_code, bad_input), str(error))


def _not_found(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(404, HTTP_CODES[404], _("Not found."))


def _suspicious(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(400, "bad_request", _("The request is malformed or too large."))


def _failed(request: HttpRequest, error: Any) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(500, "server_error", _("The server failed. Try again in a moment."))
