"""Presigned uploads: create, batch, list, read with long poll; and the callback of the Lambda."""

from contextlib import suppress
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router, Status

from media_catalog import jobs
from media_catalog.exceptions import BackofficeError
from media_catalog.imaging.probe import Probe
from media_catalog.models import ApiToken, Image, Upload
from media_catalog.quota.attribution import attribute
from media_catalog.services import direct_uploads, presigned, reports
from media_catalog.services.direct_uploads import Issued
from media_catalog.services.reports import MadeObject, Report, Source

from . import schemas, waiting
from .records import as_listed, as_record, parsed
from .routing import both
from .schemas import ApiUpload, BatchWish, CallbackReport, Limit, Offset, Problem, UploadPage, Wait, Wish
from .security import CALLER, Signature

router = Router(tags=["presigned uploads"])
REFUSALS = dict.fromkeys([400, 401, 403, 429, 503], Problem)
OPEN = ("created", "processing")
NO_WISH = Wish()


@both(router, "POST", "/presignedurl/", auth=CALLER, response={201: ApiUpload, **REFUSALS}, summary="Create")
def create(request: HttpRequest, wish: Wish = NO_WISH) -> Any:
    """A form to send one image to S3 by. Asking again within 30 seconds gives the same, once, while it is unused."""
    with _caller(request).allowed(ApiToken.Scope.UPLOAD):
        return Status(201, _issued(presigned.create(user=_caller(request).user, data=wish.metadata)))


@both(router, "POST", "/presignedurl/batch/", auth=CALLER, response={201: list[ApiUpload], **REFUSALS}, summary="Batch")
def create_batch(request: HttpRequest, wish: BatchWish) -> Any:
    """Forms for up to 100 images: all or none."""
    caller = _caller(request)
    with caller.allowed(ApiToken.Scope.UPLOAD):
        issued = presigned.create_many(user=caller.user, data=wish.metadata, count=wish.count)
        return Status(201, [_issued(each) for each in issued])


@both(router, "GET", "/presignedurl/", auth=CALLER, response={200: UploadPage, **REFUSALS}, summary="List own")
def own_uploads(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Any:
    """Newest first, without credentials."""
    caller = _caller(request)
    with caller.allowed(ApiToken.Scope.READ):
        uploads = Upload.objects.filter(user=caller.user, channel=Upload.Channel.API)
        return page(uploads, limit, offset, as_listed)


@both(
    router,
    "GET",
    "/presignedurl/{uuid}",
    auth=CALLER,
    response={200: ApiUpload, 404: Problem, **REFUSALS},
    summary="Read or wait",
)
def read(request: HttpRequest, uuid: str, wait: Wait = 0) -> Any:
    """With `wait`: answered when the status changes, or after so many seconds."""
    caller = _caller(request)
    with caller.allowed(ApiToken.Scope.READ):
        upload = _looked_at(_own(request, uuid))
        before = upload.api_status(timezone.now())
        if wait and before in OPEN:
            waiting.until(lambda: _looked_at(_own(request, uuid)).api_status(timezone.now()) != before, wait)
            upload = _own(request, uuid)
        return as_record(upload, credential=_credential(upload))


@both(
    router,
    "PUT",
    "/presignedurl/{uuid}",
    auth=Signature(),
    response={200: ApiUpload, 404: Problem, 409: Problem, **REFUSALS},
    summary="Callback of the Lambda",
)
def callback(request: HttpRequest, uuid: str, report: CallbackReport) -> Any:
    """Signed: `X-Backoffice-Signature` is the HMAC-SHA256 of `timestamp.METHODpath.body`, in hex."""
    upload = Upload.objects.select_related("bucket", "user").filter(uuid=parsed(uuid), channel=Upload.Channel.API)
    found = upload.first()
    if found is None:
        raise Http404
    with attribute(action="callback of the Lambda"):
        return as_record(reports.take(upload=found, report=_report(report)))


def page(rows: QuerySet[Upload], limit: int, offset: int, shown: Any) -> dict[str, Any]:
    """A page of uploads, newest first. Two queries."""
    return {
        "items": [shown(row) for row in rows.order_by("-created_at", "-pk")[offset : offset + limit]],
        "count": rows.count(),
    }


def _caller(request: HttpRequest) -> Any:
    return request.auth  # type: ignore[attr-defined]  # set by ninja


def _own(request: HttpRequest, uuid: str) -> Upload:
    upload = presigned.own(_caller(request).user, parsed(uuid))
    if upload is None:
        raise Http404
    return upload


def _looked_at(upload: Upload) -> Upload:
    """The upload after a look whether its report got lost."""
    with suppress(BackofficeError):  # the poll answers what is known; the next one looks again
        presigned.look(upload, begin=_make_renditions)
    return upload


def _make_renditions(image: Image) -> None:
    scope = _("Uploaded by the API, found without the Lambda")
    jobs.start(kind="make_renditions", user=None, images=[image.pk], scope=scope, park=True)


def _issued(issued: Issued) -> dict[str, Any]:
    return as_record(issued.upload, credential=issued.post)


def _credential(upload: Upload) -> Any:
    """Signed anew: forms are not kept. None when the upload cannot begin any more, or nothing can be signed."""
    if upload.api_status(timezone.now()) != "created":
        return None
    try:
        return direct_uploads.sign_again(upload=upload)
    except BackofficeError:
        return None


def _report(told: CallbackReport) -> Report:
    return Report(
        identifier=told.report,
        processed_key=told.processed_key,
        renditions=[MadeObject(**made.model_dump()) for made in told.renditions],
        source=_source(told.source) if told.source else None,
        error=told.error,
        requests=told.requests.model_dump(),
        found=told.found,
    )


def _source(told: schemas.Source) -> Source:
    return Source(**told.model_dump(exclude={"probe"}), probe=Probe(**told.probe.model_dump()))
