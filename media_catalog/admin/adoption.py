"""Cataloguing what a bucket holds already, without writing to it."""

from functools import partial

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from media_catalog.exceptions import BucketRefused
from media_catalog.jobs.control import under_way
from media_catalog.models import Bucket
from media_catalog.services import adoption, inventory
from media_catalog.services.sentences import sentence

from .bucket_jobs import inventory_context, start_job
from .bucket_pages import bucket_view, check_permissions, page_context, url
from .confirmation import must_type, typed_number
from .costs import cost_context

ADOPTABLE = (Bucket.Role.ORIGINALS, Bucket.Role.GENERAL)


@bucket_view("browse_objects", "adopt_objects")
def adopt_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """What it would take; on the button, the job."""
    any_name = "any_name" in request.GET
    counted = adoption.count(bucket)
    count = counted.of(any_name=any_name)
    if request.method == "POST" and bucket.role in ADOPTABLE and count and _is_confirmed(request, count):
        return _start(request, bucket, any_name)
    context = page_context(
        page,
        request,
        bucket,
        _("Catalogue existing objects"),
        adoptable=bucket.role in ADOPTABLE,
        becomes_originals=bucket.role == Bucket.Role.GENERAL,
        scan=inventory.latest(bucket),
        count=count,
        must_type=must_type(count),
        others=counted.of_any_name - count,
        any_name=any_name,
        endings=", ".join(ending.lstrip(".") for ending in adoption.ENDINGS),
        others_url=url(bucket, "adopt", any_name="1"),
        job=under_way("adopt_objects", bucket.pk),
        **cost_context(adoption.cost(count), bulk=True),
        **inventory_context(request, bucket),
    )
    return TemplateResponse(request, "admin/media_catalog/adoption.html", context)


def _start(request: HttpRequest, bucket: Bucket, any_name: bool) -> HttpResponse:
    if under_way("adopt_objects", bucket.pk):
        messages.info(request, _("This is under way already."))
        return redirect(url(bucket, "adopt"))
    if bucket.role == Bucket.Role.GENERAL:
        check_permissions(request, "change_bucket")
    scope = _("Existing objects of “%(bucket)s”") % {"bucket": bucket}
    prepare = partial(adoption.prepare, bucket)
    try:
        return start_job(request, bucket, "adopt_objects", scope, prepare=prepare, any_name=any_name)
    except BucketRefused as refused:
        messages.error(request, sentence(refused))
        return redirect(url(bucket, "adopt"))


def _is_confirmed(request: HttpRequest, count: int) -> bool:
    if not must_type(count) or typed_number(request, count):
        return True
    said = _("Nothing was started. Type the number of objects, %(count)s, to confirm.")
    messages.warning(request, said % {"count": number_format(count, force_grouping=True)})
    return False
