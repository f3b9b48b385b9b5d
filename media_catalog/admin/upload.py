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
from media_catalog.exceptions import BackofficeError, QuotaShort
from media_catalog.imaging.probe import content_type
from media_catalog.models import Bucket, Image
from media_catalog.services import uploads
from media_catalog.services.keys import MAX_FOLDER
from media_catalog.services.sentences import accepted_formats, sentence

from .history import log, staff

logger = logging.getLogger(__name__)


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accept = ",".join(content_type(name) for name in settings.IMAGE_FORMATS)
        self.fields["images"].widget = FilesInput(attrs={"multiple": True, "accept": accept, "required": True})
        self.fields["images"].help_text = limits_in_words()
        buckets = self.fields["bucket"]
        assert isinstance(buckets, forms.ModelChoiceField)  # noqa: S101  (declared above)
        buckets.queryset = Bucket.objects.for_uploads()
        self.fields["folder"].initial = timezone.localdate().strftime("%Y/%m")
        for name in ("folder", "caption"):
            self.fields[name].widget.attrs["class"] = "vTextField"


def limits_in_words() -> str:
    return _("%(formats)s, up to %(size)s and %(pixels)s pixels each, at most %(files)d files at once.") % {
        "formats": accepted_formats(settings.IMAGE_FORMATS),
        "size": filesizeformat(settings.IMAGE_MAX_BYTES),
        "pixels": number_format(settings.IMAGE_MAX_PIXELS, force_grouping=True),
        "files": settings.UPLOAD_MAX_FILES,
    }


def upload_view(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the form; on POST store each file, say how each went, and go where the user can go on."""
    if not page.has_add_permission(request):
        raise PermissionDenied
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        stored, refused = _store_all(request, form)
        _report(page, request, stored, refused, make_renditions=form.cleaned_data["make_renditions"])
        page_name = "add" if refused else "changelist"
        return redirect(reverse(f"admin:media_catalog_image_{page_name}"))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Upload images"),
        "form": form,
        "has_buckets": Bucket.objects.for_uploads().exists(),
    }
    return TemplateResponse(request, "admin/media_catalog/upload.html", context)


def _store_all(request: HttpRequest, form: UploadForm) -> tuple[list[Image], list[tuple[str, str]]]:
    """The images stored, and (file name, reason) of the files refused."""
    stored: list[Image] = []
    refused: list[tuple[str, str]] = []
    for file in form.cleaned_data["images"]:
        name = file.name or ""
        try:
            image = uploads.store(
                file=file,
                name=name,
                caption=form.cleaned_data["caption"],
                folder=form.cleaned_data["folder"],
                bucket=form.cleaned_data["bucket"],
                user=staff(request),
            )
        except BackofficeError as error:
            logger.warning("upload refused: %s", error)
            refused.append((name, sentence(error)))
        else:
            stored.append(image)
    return stored, refused


def _report(
    page: ModelAdmin,
    request: HttpRequest,
    stored: list[Image],
    refused: list[tuple[str, str]],
    *,
    make_renditions: bool,
) -> None:
    for name, reason in refused:
        messages.error(request, format_html("<strong>{}</strong>: {}", name, reason))
    if not stored:
        return
    log(request, stored, ADDITION, _("Uploaded."))
    said = ngettext("%(count)d image uploaded.", "%(count)d images uploaded.", len(stored)) % {"count": len(stored)}
    if not make_renditions:
        messages.success(request, said)
        return
    ids = [image.pk for image in stored]
    try:
        job = jobs.start(kind="make_renditions", user=staff(request), images=ids, scope=said)
    except QuotaShort as short:
        messages.success(request, said)
        messages.warning(request, sentence(short))
        return
    link = reverse("admin:media_catalog_job_change", args=[job.pk])
    messages.success(request, format_html('{} <a href="{}">{}</a>', said, link, _("Follow the making of renditions")))
