"""One object: what HEAD tells, its versions when asked for, its picture and its bytes."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from media_catalog.exceptions import BackofficeError
from media_catalog.imaging.formats import content_type
from media_catalog.models import Bucket, Preset
from media_catalog.quota import meter
from media_catalog.services import object_keys, objects
from media_catalog.services.objects import Known
from media_catalog.services.sentences import sentence

from .bucket_pages import bucket_view, may, page_context, url
from .costs import spent_in_words
from .objects import as_value, crumbs, trash_url
from .pictures import preview_url, refusal
from .streaming import hand_out

SHOWABLE = {content_type(name) for name in ("JPEG", "PNG", "WEBP")}


@bucket_view("browse_objects")
def details_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    key = request.GET.get("key", "")
    prefix = objects.folder_of(key)
    with meter.tally() as spent:
        found, error = _find(bucket, key, with_versions="versions" in request.GET)
    context = page_context(
        page,
        request,
        bucket,
        _("Object"),
        key=key,
        key_value=as_value(key),
        visible_key=object_keys.visible(key),
        linkable=object_keys.is_linkable(key),
        crumbs=crumbs(bucket, prefix),
        back_url=url(bucket, "objects", prefix=prefix),
        remove_url=url(bucket, "remove", prefix=prefix),
        addresses={name: url(bucket, name, key=key) for name in ("download", "copy")},
        versions_url=url(bucket, "object", key=key, versions="1"),
        error=error,
        spent=spent_in_words(spent),
        may_write=may(request, "write_objects"),
        may_delete=may(request, "delete_objects"),
        may_see_images=may(request, "view_image"),
        may_see_trash=may(request, "view_trashedobject"),
        trash_url=trash_url(bucket),
        reserved=object_keys.is_reserved(key),
        **found,
    )
    context |= _preview(request, bucket, key, context)
    return TemplateResponse(request, "admin/media_catalog/object.html", context)


@bucket_view("browse_objects")
def download_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponseBase:
    """To an expiring link; what a link cannot carry goes through here, saved and never shown by the browser."""
    key = request.GET.get("key", "")
    try:
        if object_keys.is_linkable(key):
            return redirect(objects.download_link(bucket, key))
        answer = hand_out(bucket, key, disposition=objects.attachment(key))
    except BackofficeError as error:
        messages.error(request, sentence(error))
        return redirect(url(bucket, "object", key=key))
    return answer or redirect(url(bucket, "object", key=key))  # which says that it is gone


@bucket_view("browse_objects")
def picture_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """The bytes of an image that the catalogue does not know, by what they are, whatever type S3 has for them."""
    try:
        found = objects.picture(bucket, request.GET.get("key", ""))
    except BackofficeError as error:
        return refusal(sentence(error), status=415)
    if found is None:
        return refusal(_("The object no longer exists at S3."), status=404)
    body, kind = found
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "inline", "Cache-Control": "private"}
    return HttpResponse(body, content_type=kind, headers=headers)


def _find(bucket: Bucket, key: str, *, with_versions: bool) -> tuple[dict[str, Any], str]:
    """What the page shows of the object, and why not all of it, when something fails."""
    found: dict[str, Any] = {"known": objects.known(bucket, [key]).get(key, Known())}
    try:
        found["details"] = objects.details(bucket, key) if key else None
        if with_versions:
            found["versions"] = objects.versions(bucket, key)
    except BackofficeError as error:
        return found, sentence(error)
    return found, ""


def _preview(request: HttpRequest, bucket: Bucket, key: str, shown: dict[str, Any]) -> dict[str, str]:
    """The picture of a catalogued image, which costs nothing; of another image, when asked for."""
    known, details = shown["known"], shown.get("details")
    if known.image:
        rendition = known.image.renditions.filter(preset__slug=Preset.PREVIEW).select_related("preset").first()
        return {"picture_url": preview_url(known.image, rendition)} if rendition else {}
    if details is None or details.content_type not in SHOWABLE:
        return {}
    if "picture" in request.GET:
        return {"picture_url": url(bucket, "picture", key=key)}
    return {"offer_picture_url": url(bucket, "object", key=key, picture="1")}
