"""A new bucket: the form, what it will cost, and doing it."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import ADDITION
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from media_catalog.exceptions import BackofficeError, BucketRefused
from media_catalog.models import Bucket, RequestClass
from media_catalog.services import bucket_settings, buckets
from media_catalog.services.bucket_settings import Step
from media_catalog.services.sentences import sentence

from .bucket_forms import CreateForm
from .bucket_pages import check_permissions, origin_of, url
from .costs import cost_context, in_words
from .history import log
from .step_labels import step_rows

# HEAD, whether the name is free; then the PUT that creates it.
CREATION = {RequestClass.S3_TIER2.value: 1, RequestClass.S3_TIER1.value: 1}


def create_view(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The form; then what creating will cost; on the button there, the bucket. Not in a transaction."""
    check_permissions(request, "add_bucket")
    form = CreateForm(request.POST or None)
    checked = request.method == "POST" and form.is_valid() and "back" not in request.POST
    if checked and "confirm" in request.POST and (response := _create(request, form)):
        return response
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Create bucket"),
        "form": form,
        "has_view_permission": page.has_view_permission(request),
        **(_review(request, form) if checked and form.is_valid() else {}),
    }
    return TemplateResponse(request, "admin/media_catalog/bucket_create.html", context)


def _plan(request: HttpRequest, form: CreateForm, bucket: Bucket) -> list[Step]:
    return bucket_settings.plan(
        bucket, now=bucket_settings.BARE, wanted=form.settings(), origin=origin_of(request), new=True
    )


def _review(request: HttpRequest, form: CreateForm) -> dict[str, Any]:
    draft = Bucket(name=form.cleaned_data["name"], region=form.cleaned_data["region"])
    steps = _plan(request, form, draft)
    requests = bucket_settings.cost(steps)
    total = {cls: requests.get(cls, 0) + CREATION.get(cls, 0) for cls in {*requests, *CREATION}}
    return {
        "review": [(_("See whether the name is free, and create the bucket"), in_words(CREATION)), *step_rows(steps)],
        **cost_context(total),
    }


def _create(request: HttpRequest, form: CreateForm) -> HttpResponse | None:
    """Go to the new bucket; None when it could not be created, which the form then says."""
    try:
        data = form.cleaned_data
        bucket = buckets.create(name=data["name"], region=data["region"], **form.purpose())
    except BucketRefused as error:
        form.add_error("renditions_bucket" if error.reason == "pair_taken" else "name", sentence(error))
        return None
    except BackofficeError as error:
        form.add_error(None, sentence(error))
        return None
    log(request, [bucket], ADDITION, _("Created at S3."))
    messages.success(request, _("The bucket “%(name)s” was created.") % {"name": bucket})
    wanted = form.settings()
    steps = _plan(request, form, bucket)
    _done, failed = bucket_settings.apply(bucket, steps, now=bucket_settings.BARE, wanted=wanted)
    if failed:
        messages.error(
            request,
            _("Not all of its settings could be made: %(reason)s See the settings.") % {"reason": sentence(failed)},
        )
    return redirect(url(bucket, "change"))
