"""The upload page of files: one at a time, with its description, and a name where the bucket has unique names."""

import logging
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import ADDITION
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.exceptions import BackofficeError, ObjectRefused
from media_catalog.jobs.sweeps import start_sweep
from media_catalog.models import Bucket, RequestClass, StoredFile
from media_catalog.models.buckets import LONGEST_UNIQUE_NAME
from media_catalog.models.files import LONGEST_DESCRIPTION, SHORTEST_DESCRIPTION
from media_catalog.services import files
from media_catalog.services.object_keys import visible
from media_catalog.services.sentences import sentence

from .base import number
from .costs import cost_context
from .history import log, staff

logger = logging.getLogger(__name__)
# Of the service's refusals, those that are about one field.
FIELDS = {"too_large": "file", "not_for_files": "bucket", "description_length": "description"}


class FileForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("File"), allow_empty_file=True)
    bucket = forms.ModelChoiceField(label=gettext_lazy("Bucket"), queryset=Bucket.objects.none(), empty_label=None)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        min_length=SHORTEST_DESCRIPTION,
        max_length=LONGEST_DESCRIPTION,
        help_text=gettext_lazy("4 to 80 characters."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=LONGEST_UNIQUE_NAME,
        help_text=gettext_lazy("Leave empty for the name of the file. Some buckets take each name once only."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        buckets = self.fields["bucket"]
        assert isinstance(buckets, forms.ModelChoiceField)  # noqa: S101  (declared above)
        buckets.queryset = Bucket.objects.for_files()
        limit = filesizeformat(settings.FILE_MAX_BYTES)
        self.fields["file"].help_text = _("Of any type, up to %(size)s.") % {"size": limit}
        for field in ("description", "name"):
            self.fields[field].widget.attrs["class"] = "vTextField"


def upload_view(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the form; on POST store the file and go to the list. Not in a transaction."""
    if not page.has_add_permission(request):
        raise PermissionDenied
    chosen = number(request.GET.get("bucket", ""))
    form = FileForm(request.POST or None, request.FILES or None, initial={"bucket": chosen})
    if request.method == "POST" and form.is_valid() and (file := _store(request, form)):
        return redirect(_list_url(page, request, file))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Upload file"),
        "form": form,
        "has_buckets": Bucket.objects.for_files().exists(),
        "may_view": page.has_view_permission(request),
        **cost_context({RequestClass.S3_TIER1.value: 1}),
    }
    return TemplateResponse(request, "admin/media_catalog/file_upload.html", context)


def _store(request: HttpRequest, form: FileForm) -> StoredFile | None:
    """None when it could not be stored, which the form then says."""
    data = form.cleaned_data
    try:
        file = files.store(
            file=data["file"],
            name=data["file"].name or "",
            title=data["name"],
            description=data["description"],
            bucket=data["bucket"],
            user=staff(request),
        )
    except BackofficeError as error:
        logger.warning("upload refused: %s", error)
        reason = error.reason if isinstance(error, ObjectRefused) else ""
        form.add_error(FIELDS.get(reason, "name" if reason.startswith("name_") else None), sentence(error))
        return None
    except Error:
        logger.exception("upload failed")
        form.add_error(None, _("The file could not be stored: the server failed. Try again in a moment."))
        return None
    _follow_up(request, file)
    return file


def _follow_up(request: HttpRequest, file: StoredFile) -> None:
    said = _("Uploaded <strong>{}</strong>.")
    messages.success(request, format_html(said, visible(file.name)))
    try:
        log(request, [file], ADDITION, _("Uploaded."))
        start_sweep(file.bucket)  # of the newest to keep, one less is
    except Error:
        logger.exception("upload not followed up")
        messages.warning(request, _("The file is stored, but the server failed before all that follows was done."))


def _list_url(page: ModelAdmin, request: HttpRequest, file: StoredFile) -> str:
    """The list, of the file's bucket where the upload was begun from there."""
    if not page.has_view_permission(request):
        return reverse("admin:index")
    address = reverse("admin:media_catalog_storedfile_changelist")
    return f"{address}?bucket__id__exact={file.bucket_id}" if "bucket" in request.GET else address
