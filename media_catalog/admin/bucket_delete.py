"""Deleting a bucket. What is not empty goes by a job, behind its name typed out."""

from uuid import uuid4

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import DELETION
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket, Image, StoredFile, TrashedObject
from media_catalog.services import bucket_removal
from media_catalog.services.sentences import sentence

from .bucket_jobs import inventory_context, start_job
from .bucket_pages import bucket_view, check_permissions, may, page_context
from .confirmation import token_of
from .costs import cost_context
from .history import log


@bucket_view("view_bucket")
def delete_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """What is in it and what deleting takes; on a button, either way of deleting."""
    if not (may(request, "delete_bucket") or may(request, "empty_bucket")):
        raise PermissionDenied
    refused = bucket_removal.refusal(bucket)
    if request.method == "POST" and refused is None:
        response = _empty(request, bucket) if {"empty", "park"} & set(request.POST) else _delete(request, bucket)
        if response:
            return response
    context = page_context(
        page,
        request,
        bucket,
        _("Delete bucket"),
        refused=sentence(refused) if refused else "",
        images=Image.objects.filter(bucket=bucket).count(),
        trashed=TrashedObject.objects.filter(bucket=bucket).count(),
        files=StoredFile.objects.filter(bucket=bucket).count(),
        may_delete=may(request, "delete_bucket"),
        may_empty=may(request, "empty_bucket"),
        token=uuid4().hex,
        **inventory_context(request, bucket),
        **cost_context(bucket_removal.empty_cost(bucket), bulk=True),
    )
    return TemplateResponse(request, "admin/media_catalog/bucket_delete.html", context)


def _delete(request: HttpRequest, bucket: Bucket) -> HttpResponse | None:
    check_permissions(request, "delete_bucket")
    row = Bucket(pk=bucket.pk, name=bucket.name)  # deleting takes the id away
    try:
        bucket_removal.delete_empty(bucket)
    except BackofficeError as error:
        messages.error(request, sentence(error))
        return None
    log(request, [row], DELETION, _("Deleted at S3, empty."))
    messages.success(request, _("The bucket “%(name)s” was deleted.") % {"name": row})
    return redirect(reverse("admin:media_catalog_bucket_changelist"))


def _empty(request: HttpRequest, bucket: Bucket) -> HttpResponse | None:
    check_permissions(request, "empty_bucket")
    if bucket.counted_at is None:
        messages.error(request, _("Take its inventory first."))
        return None
    if request.POST.get("name") != bucket.name:
        messages.error(request, _("Type the name of the bucket exactly to confirm."))
        return None
    scope = _("“%(bucket)s” with all its objects and versions") % {"bucket": bucket}
    return start_job(request, bucket, "empty_bucket", scope, token=token_of(request))
