"""What the upload page's script asks for: forms, confirmations, the job, and the bucket's CORS setting."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import ADDITION, CHANGE
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from media_catalog import jobs
from media_catalog.aws.presign import Post
from media_catalog.exceptions import BackofficeError, ImageRefused, ObjectRefused, QuotaRefused, QuotaShort
from media_catalog.models import Bucket, Image, Upload
from media_catalog.services import bucket_settings, direct_uploads, page_uploads
from media_catalog.services.keys import MAX_FOLDER
from media_catalog.services.page_uploads import Answer, Chosen, Twin
from media_catalog.services.sentences import sentence

from .history import log, refused_by_quota, staff
from .renditions import main_links
from .upload import offered

logger = logging.getLogger(__name__)
MAX_CAPTION = 500
Body = dict[str, Any]
View = Callable[[ModelAdmin, HttpRequest, Body], dict[str, Any]]


class BadRequest(Exception):
    """The script sent what it does not send."""


def urls(page: ModelAdmin) -> list[URLPattern]:
    """The addresses, below that of the upload page."""
    views = [begin, finish, sign_again, cancel, start_renditions, allow_origin]
    return [
        path(f"add/{view.__name__.replace('_', '-')}/", _view(page, view), name=f"media_catalog_image_{view.__name__}")
        for view in views
    ]


def begin(page: ModelAdmin, request: HttpRequest, body: Body) -> dict[str, Any]:
    """An answer for each file; all requests are reserved before the first byte is sent."""
    files = [_chosen(entry) for entry in _list(body, "files")]
    if not 1 <= len(files) <= settings.UPLOAD_MAX_FILES:
        raise BadRequest
    bucket = _bucket(body)
    known = Image.objects.all() if page.has_view_permission(request) else Image.objects.none()
    answers = page_uploads.begin(
        files=files,
        bucket=bucket,
        folder=_text(body, "folder", MAX_FOLDER),
        caption=_text(body, "caption", MAX_CAPTION),
        user=staff(request),
        known=known,
        renditions=_renditions_wanted(request, body),
    )
    return {"files": [_answer(answer) for answer in answers]}


def finish(page: ModelAdmin, request: HttpRequest, body: Body) -> dict[str, Any]:
    """What became of a file that was sent: one GET, and the image is in the catalogue.

    With `renditions` also one PUT for each that is made at once, whose link is in the answer.
    """
    upload = _upload(request, body)
    try:
        arrival = page_uploads.finish(upload=upload, renditions=_renditions_wanted(request, body))
    except ImageRefused as refused:
        return {"state": "refused", "reason": sentence(refused)}
    if arrival is None:
        gone = upload.status == Upload.Status.FAILED
        return {"state": "refused" if gone else "missing", "reason": _missing(upload)}
    if arrival.new:
        log(request, [arrival.image], ADDITION, _("Uploaded."))
    if not page.has_view_permission(request):
        return {"state": "done"}
    main = [{"url": url, "text": text} for _image, url, text in main_links([arrival.image])]
    same = page_uploads.same_as(arrival.image, Image.objects.all())
    return {"state": "done", **_shown(arrival.image), "main": main, **({"same_as": _shown(same)} if same else {})}


def sign_again(page: ModelAdmin, request: HttpRequest, body: Body) -> dict[str, Any]:
    """The form once more, for a file whose sending failed; `gone` when its time is over, `sent` when it came."""
    upload = _upload(request, body)
    if upload.status == Upload.Status.COMPLETED:
        return {"state": "sent"}
    post = direct_uploads.sign_again(upload=upload)
    return {"state": "ready", **_form(post)} if post else {"state": "gone"}


def cancel(page: ModelAdmin, request: HttpRequest, body: Body) -> dict[str, Any]:
    return {"cancelled": direct_uploads.cancel(upload=_upload(request, body))}


def start_renditions(page: ModelAdmin, request: HttpRequest, body: Body) -> dict[str, Any]:
    """One job for all that came by these uploads."""
    if not request.user.has_perm("media_catalog.make_renditions_image"):
        raise PermissionDenied
    images = page_uploads.stored(staff(request), [_uuid(text) for text in _list(body, "uuids")])
    if not images:
        raise BadRequest
    said = ngettext("%(count)d image uploaded.", "%(count)d images uploaded.", len(images)) % {"count": len(images)}
    ids = list(Image.objects.for_workers().filter(pk__in=images).values_list("pk", flat=True))
    if not ids:  # the Lambda makes them
        return {"url": reverse("admin:media_catalog_image_changelist")}
    job = jobs.start(kind="make_renditions", user=staff(request), images=ids, scope=said, park=True)
    return {"url": reverse("admin:media_catalog_job_change", args=[job.pk])}


def allow_origin(page: ModelAdmin, request: HttpRequest, body: Body) -> dict[str, Any]:
    """Add this site to the CORS setting of the bucket. Two requests."""
    if not request.user.has_perm("media_catalog.change_bucket"):
        raise PermissionDenied
    bucket = _bucket(body)
    origin = f"{request.scheme}://{request.get_host()}"
    facts = {"origin": origin, "bucket": bucket}
    if not bucket_settings.let_in(bucket=bucket, origin=origin):
        return {"reason": _("Pages of %(origin)s could upload to “%(bucket)s” already: it is the network.") % facts}
    log(request, [bucket], CHANGE, _("CORS: %(origin)s may upload.") % facts)
    return {"reason": _("Pages of %(origin)s may upload to “%(bucket)s” now.") % facts}


def _view(page: ModelAdmin, view: View) -> Any:
    """The view with what all share: permission, JSON in and out, errors as `reason`."""

    @wraps(view)
    def answering(request: HttpRequest) -> JsonResponse:
        if not page.has_add_permission(request):
            raise PermissionDenied
        try:
            return JsonResponse(view(page, request, _body(request)))
        except BadRequest:
            return JsonResponse({"reason": _("The request is malformed.")}, status=400)
        except (QuotaShort, QuotaRefused) as short:
            if isinstance(short, QuotaShort):
                refused_by_quota(short, "direct upload")
            return JsonResponse({"reason": sentence(short)}, status=429)
        except ObjectRefused as refused:
            return JsonResponse({"reason": sentence(refused)}, status=400)
        except BackofficeError as error:
            logger.warning("direct upload: %s", error)
            return JsonResponse({"reason": sentence(error)}, status=503)

    return page.admin_site.admin_view(require_POST(answering))


def _body(request: HttpRequest) -> Body:
    try:
        body = json.loads(request.body)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadRequest from error
    if not isinstance(body, dict):
        raise BadRequest
    return body


def _renditions_wanted(request: HttpRequest, body: Body) -> bool:
    return body.get("renditions") is True and request.user.has_perm("media_catalog.make_renditions_image")


def _list(body: Body, name: str) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list):
        raise BadRequest
    return value


def _text(body: Body, name: str, limit: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > limit:
        raise BadRequest
    return value.replace("\x00", "")


def _chosen(entry: Any) -> Chosen:
    if not isinstance(entry, dict) or not isinstance(entry.get("size"), int):
        raise BadRequest
    return Chosen(
        name=_text(entry, "name", 1000),
        content_type=_text(entry, "type", 100),
        size=entry["size"],
        sha256=_text(entry, "sha256", 64),
        anyway=entry.get("anyway") is True,
    )


def _bucket(body: Body) -> Bucket:
    number = str(body.get("bucket"))
    bucket = offered().filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
    if bucket is None:
        raise BadRequest
    return bucket


def _uuid(text: Any) -> UUID:
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError) as error:
        raise BadRequest from error


def _upload(request: HttpRequest, body: Body) -> Upload:
    upload = page_uploads.own(staff(request), _uuid(body.get("uuid")))
    if upload is None:
        raise Http404
    return upload


def _answer(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, ImageRefused):
        return {"state": "refused", "reason": sentence(answer)}
    if isinstance(answer, Image):
        return {"state": "duplicate", **_shown(answer)}
    if isinstance(answer, Twin):
        return {"state": "duplicate", "reason": _("The same picture is among these files: %s") % answer.name}
    return {"state": "ready", "uuid": answer.upload.uuid.hex, **_form(answer.post)}


def _form(post: Post) -> dict[str, Any]:
    return {"url": post.url, "fields": dict(post.fields)}


def _shown(image: Image) -> dict[str, Any]:
    return {"key": image.key, "link": reverse("admin:media_catalog_image_change", args=[image.pk])}


def _missing(upload: Upload) -> str:
    if upload.status == Upload.Status.FAILED:
        return _("This upload has failed. Choose the file again.")
    return _("S3 does not have the file yet.")
