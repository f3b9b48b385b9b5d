"""The upload page of images of a bucket with unique names: one at a time, with the name that it is to have."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.exceptions import BackofficeError, ObjectRefused
from media_catalog.imaging.probe import content_type
from media_catalog.jobs.sweeps import start_sweep
from media_catalog.models import Bucket, RequestClass
from media_catalog.models.buckets import LONGEST_UNIQUE_NAME
from media_catalog.services import renditions, uploads
from media_catalog.services.sentences import sentence

from . import shelves
from .base import number
from .costs import cost_context
from .history import staff
from .upload import limits_in_words, logger, report


class NamedForm(forms.Form):
    image = forms.FileField(label=gettext_lazy("Image"), allow_empty_file=True)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST_UNIQUE_NAME,
        help_text=gettext_lazy("At most 80 characters. Each name is taken once in this bucket."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accept = ",".join(content_type(name) for name in settings.IMAGE_FORMATS)
        self.fields["image"].widget.attrs["accept"] = accept
        self.fields["image"].help_text = limits_in_words(files=False)
        self.fields["name"].widget.attrs["class"] = "vTextField"


def bucket_of(request: HttpRequest) -> Bucket | None:
    """The bucket with unique names that the address of the upload page names."""
    pk = number(request.GET.get("bucket", ""))
    return Bucket.objects.for_uploads().filter(pk=pk, unique_names=True).first() if pk is not None else None


def upload_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """Show the form; on POST store the image and go to the list of the bucket. Not in a transaction."""
    if not page.has_add_permission(request):
        raise PermissionDenied
    form = NamedForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and _store(request, bucket, form):
        may_view = page.has_view_permission(request)
        return redirect(list_url(bucket) if may_view else reverse("admin:index"))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Upload image"),
        "bucket": bucket,
        "form": form,
        "has_buckets": True,
        "may_view": page.has_view_permission(request),
        **cost_context({RequestClass.S3_TIER1.value: 1 + _at_once(request, bucket)}),
    }
    return TemplateResponse(request, "admin/media_catalog/file_upload.html", context)


def list_url(bucket: Bucket) -> str:
    """The images of the bucket."""
    return f"{reverse('admin:media_catalog_image_changelist')}?{shelves.FILTER}={bucket.pk}"


def _may_make_renditions(request: HttpRequest) -> bool:
    return request.user.has_perm("media_catalog.make_renditions_image")


def _at_once(request: HttpRequest, bucket: Bucket) -> int:
    """How many renditions are made within the upload."""
    paired = bucket.renditions_bucket_id is not None
    return renditions.in_request_count() if paired and _may_make_renditions(request) else 0


def _store(request: HttpRequest, bucket: Bucket, form: NamedForm) -> bool:
    """Whether it is stored; if not, the form says why."""
    file = form.cleaned_data["image"]
    try:
        image = uploads.store(
            file=file,
            name=file.name or "",
            title=form.cleaned_data["name"],
            caption="",
            bucket=bucket,
            user=staff(request),
        )
    except BackofficeError as error:
        logger.warning("upload refused: %s", error)
        form.add_error("name" if isinstance(error, ObjectRefused) else "image", sentence(error))
        return False
    except Error:
        logger.exception("upload failed")
        form.add_error(None, _("The file could not be stored: the server failed. Try again in a moment."))
        return False
    if _may_make_renditions(request):
        renditions.make_in_request(image=image, file=file)
    report(request, [image], [], make_renditions=_may_make_renditions(request))
    try:
        start_sweep(bucket)  # of the newest to keep, one less is
    except Error:
        logger.exception("upload not followed up")
        messages.warning(request, _("The rule of the bucket is followed within a minute."))
    return True
