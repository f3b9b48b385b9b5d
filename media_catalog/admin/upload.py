"""The upload page: several files, each answered on its own."""

import logging
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import ADDITION
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog import jobs
from media_catalog.exceptions import AwsDenied, AwsUnavailable, BackofficeError, QuotaRefused
from media_catalog.imaging.probe import content_type
from media_catalog.models import Bucket, Image
from media_catalog.services import page_uploads, renditions, uploads
from media_catalog.services.keys import MAX_FOLDER
from media_catalog.services.sentences import accepted_formats, sentence

from . import upload_script
from .base import number
from .history import log, staff
from .renditions import main_links

logger = logging.getLogger(__name__)
# Faults that the next file would meet as well: trying 50 files against an S3 that hangs would take an hour.
FOR_ALL_FILES = (AwsDenied, AwsUnavailable, QuotaRefused)


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files. Their content is checked one by one later, so that a bad one does not lose the others."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        files = data if isinstance(data, list | tuple) else [data]
        cleaned = [super(FilesField, self).clean(file, initial) for file in files or [None]]
        if len(cleaned) > settings.UPLOAD_MAX_FILES:
            raise forms.ValidationError(
                _("These are %(count)d files; at most %(limit)d can be uploaded at once.")
                % {"count": len(cleaned), "limit": settings.UPLOAD_MAX_FILES}
            )
        return cleaned


class UploadForm(forms.Form):
    images = FilesField(label=gettext_lazy("Images"))
    bucket = forms.ModelChoiceField(label=gettext_lazy("Bucket"), queryset=Bucket.objects.none(), empty_label=None)
    folder = forms.CharField(
        label=gettext_lazy("Folder"),
        required=False,
        max_length=MAX_FOLDER,
        help_text=gettext_lazy("The first part of the keys, such as 2026/11. Leave empty for none."),
    )
    caption = forms.CharField(
        label=gettext_lazy("Caption"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Given to each of these images; can be changed later."),
    )
    make_renditions = forms.BooleanField(
        label=gettext_lazy("Make renditions now"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Previews appear when they are made. Untick to save requests for now."),
    )

    def __init__(self, *args: Any, may_make_renditions: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_make_renditions:
            del self.fields["make_renditions"]
        accept = ",".join(content_type(name) for name in settings.IMAGE_FORMATS)
        self.fields["images"].widget = FilesInput(attrs={"multiple": True, "accept": accept, "required": True})
        self.fields["images"].help_text = limits_in_words()
        buckets = self.fields["bucket"]
        assert isinstance(buckets, forms.ModelChoiceField)  # noqa: S101  (declared above)
        buckets.queryset = offered()
        self.fields["folder"].initial = timezone.localdate().strftime("%Y/%m")
        for name in ("folder", "caption"):
            self.fields[name].widget.attrs["class"] = "vTextField"


def offered() -> QuerySet[Bucket]:
    """Buckets for several images at once. Those with unique names take one at a time: see named_upload.py."""
    return Bucket.objects.for_uploads().filter(unique_names=False)


def limits_in_words(*, files: bool = True) -> str:
    said = (
        _("%(formats)s, up to %(size)s and %(pixels)s pixels each, at most %(files)d files at once.")
        if files
        else _("%(formats)s, up to %(size)s and %(pixels)s pixels.")
    )
    return said % {
        "formats": accepted_formats(settings.IMAGE_FORMATS),
        "size": filesizeformat(settings.IMAGE_MAX_BYTES),
        "pixels": number_format(settings.IMAGE_MAX_PIXELS, force_grouping=True),
        "files": settings.UPLOAD_MAX_FILES,
    }


def upload_view(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the form; on POST store each file, say how each went, and go where the user can go on."""
    if not page.has_add_permission(request):
        raise PermissionDenied
    form = UploadForm(
        request.POST or None,
        request.FILES or None,
        may_make_renditions=request.user.has_perm("media_catalog.make_renditions_image"),
        initial={"bucket": number(request.GET.get("bucket", ""))},
    )
    may_view = page.has_view_permission(request)
    if request.method == "POST" and form.is_valid():
        stored, refused = _store_all(request, form)
        report(request, stored, refused, make_renditions=form.cleaned_data.get("make_renditions", False))
        page_name = "changelist" if may_view and not refused else "add"
        return redirect(reverse(f"admin:media_catalog_image_{page_name}"))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Upload images"),
        "form": form,
        "has_buckets": offered().exists(),
        "named_buckets": Bucket.objects.for_uploads().filter(unique_names=True),
        "may_view": may_view,
        "unfinished": page_uploads.unfinished(staff(request)),
        "upload_config": upload_script.config(request),
    }
    response = TemplateResponse(request, "admin/media_catalog/upload.html", context)
    response._csp_update = {"connect-src": upload_script.origins()}  # type: ignore[attr-defined]  # django-csp reads it
    return response


def _store_all(request: HttpRequest, form: UploadForm) -> tuple[list[Image], list[tuple[str, str]]]:
    """The images stored, and (file name, reason) of the files refused."""
    stored: list[Image] = []
    refused: list[tuple[str, str]] = []
    for_all = ""
    for file in form.cleaned_data["images"]:
        name = file.name or ""
        if for_all:
            refused.append((name, _("%(reason)s This file was not tried.") % {"reason": for_all}))
            continue
        try:
            stored.append(_store(request, form, file))
        except BackofficeError as error:
            logger.warning("upload refused: %s", error)
            refused.append((name, sentence(error)))
            for_all = sentence(error) if isinstance(error, FOR_ALL_FILES) else ""
        except (Error, MemoryError):
            logger.exception("upload failed")
            refused.append((name, _("The file could not be stored: the server failed. Try again in a moment.")))
    return stored, refused


def _store(request: HttpRequest, form: UploadForm, file: Any) -> Image:
    image = uploads.store(
        file=file,
        name=file.name or "",
        caption=form.cleaned_data["caption"],
        folder=form.cleaned_data["folder"],
        bucket=form.cleaned_data["bucket"],
        user=staff(request),
    )
    if form.cleaned_data.get("make_renditions"):
        renditions.make_in_request(image=image, file=file)
    return image


def report(request: HttpRequest, stored: list[Image], refused: list[tuple[str, str]], *, make_renditions: bool) -> None:
    for name, reason in refused:
        messages.error(request, format_html("<strong>{}</strong>: {}", name, reason))
    if not stored:
        return
    said = ngettext("%(count)d image uploaded.", "%(count)d images uploaded.", len(stored)) % {"count": len(stored)}
    link = ""
    try:
        log(request, stored, ADDITION, _("Uploaded."))
        link = _start_renditions(request, stored, said) if make_renditions else ""
    except Error:
        logger.exception("uploads not followed up")
        messages.warning(request, _("The images are stored, but the server failed before all that follows was done."))
    messages.success(request, format_html("{} {}", said, link) if link else said)
    if make_renditions:
        for image, url, text in main_links(stored):
            messages.success(request, format_html('{}: <a href="{}">{}</a>', image.name, url, text))


def _start_renditions(request: HttpRequest, stored: list[Image], scope: str) -> str:
    """Start the job, as far as the quota allows now, and return a link to it; nothing where the Lambda does it."""
    ids = list(Image.objects.for_workers().filter(pk__in=[image.pk for image in stored]).values_list("pk", flat=True))
    if not ids:
        return _("The Lambda function makes their thumbnails.")
    job = jobs.start(kind="make_renditions", user=staff(request), images=ids, scope=scope, park=True)
    url = reverse("admin:media_catalog_job_change", args=[job.pk])
    return format_html('<a href="{}">{}</a>', url, _("Follow the making of renditions"))
