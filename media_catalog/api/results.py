"""Completed results of all users, for staff."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from ninja import Router

from media_catalog.models import ApiToken, Image, Upload

from .errors import Refused
from .records import as_result, parsed
from .routing import both
from .schemas import Limit, Offset, Problem, Result, ResultPage
from .security import CALLER, Caller
from .uploads import page

router = Router(tags=["processed images"])
REFUSALS = dict.fromkeys([400, 401, 403, 429], Problem)


@both(router, "GET", "/processed_images/", auth=CALLER, response={200: ResultPage, **REFUSALS}, summary="List results")
def processed_images(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Any:
    """Newest upload first; staff only."""
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by ninja
    _check_staff(caller)
    with caller.allowed(ApiToken.Scope.RESULTS):
        return page(_completed(), limit, offset, as_result)


@both(
    router,
    "GET",
    "/processed_images/{uuid}/",
    auth=CALLER,
    response={200: Result, 404: Problem, **REFUSALS},
    summary="Read a result",
)
def processed_image(request: HttpRequest, uuid: str) -> Any:
    """Staff only."""
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by ninja
    _check_staff(caller)
    with caller.allowed(ApiToken.Scope.RESULTS):
        upload = _completed().filter(uuid=parsed(uuid)).first()
        if upload is None:
            raise Http404
        return as_result(upload)


def _check_staff(caller: Caller) -> None:
    if not caller.user.is_staff:
        raise Refused(403, "permission_denied", _("This is for staff."))


def _completed() -> QuerySet[Upload]:
    image = Image.objects.filter(bucket=OuterRef("bucket"), key=OuterRef("key"))
    uploads = Upload.objects.filter(channel=Upload.Channel.API).exclude(processed_key="")
    return uploads.select_related("user").annotate(
        image_number=Subquery(image.values("pk")[:1]), image_frames=Subquery(image.values("frames")[:1])
    )
