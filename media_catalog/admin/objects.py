"""The objects of a bucket as S3 lists them: folders, pages, uploads. One request a page, however large it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.exceptions import AwsNotFound, BackofficeError
from media_catalog.models import Bucket
from media_catalog.quota import meter
from media_catalog.services import bucket_health, objects
from media_catalog.services.catalogued import is_kept
from media_catalog.services.object_keys import is_reserved, visible
from media_catalog.services.objects import DELIMITER, Known
from media_catalog.services.sentences import sentence

from .bucket_pages import bucket_view, may, page_context, url
from .costs import in_words, spent_in_words
from .history import log, staff
from .upload import FOR_ALL_FILES, FilesField, FilesInput

# Of an address within the address of the login page, where it goes when the session has ended: the web server's lines
# have 8,190 characters (backoffice/gunicorn.py), load balancers in front take more.
ADDRESS_CHARACTERS = 8100


@dataclass(frozen=True, kw_only=True)
class Row:
    """An object of the page. `name` is the key below its folder, `value` the whole key for a form field."""

    name: str
    url: str
    value: str
    size: int
    modified: datetime
    storage_class: str
    known: Known
    reserved: bool  # the product's own: moved aside, and reached by other pages


class UploadForm(forms.Form):
    chosen = FilesField(label=gettext_lazy("Files"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["chosen"].widget = FilesInput(attrs={"multiple": True, "required": True})


@bucket_view("browse_objects")
def objects_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """A page of objects. What fails is said on it: the bucket may be gone since the last one."""
    prefix, token = request.GET.get("prefix", ""), request.GET.get("token", "")
    listed, error = None, ""
    with meter.tally() as spent:
        try:
            listed = objects.browse(bucket, prefix=prefix, token=token)
        except BackofficeError as failed:
            error = sentence(failed)
            if isinstance(failed, AwsNotFound):
                bucket_health.mark_missing(bucket)
    context = page_context(
        page,
        request,
        bucket,
        _("Objects"),
        prefix=prefix,
        crumbs=crumbs(bucket, prefix),
        error=error,
        spent=spent_in_words(spent),
        images_url=images_url(bucket),
        trash_url=trash_url(bucket),
        may_see_trash=may(request, "view_trashedobject"),
        upload_url=url(bucket, "upload", prefix=prefix),
        is_folder=prefix == objects.folder_of(prefix),
        upload_folder=objects.upload_folder(bucket, prefix),
        remove_url=url(bucket, "remove", prefix=prefix),
        form=UploadForm(),
        may_upload=may(request, "write_objects") and bucket.role != Bucket.Role.RENDITIONS,
        files_url=_files_url(request, bucket),
        may_delete=may(request, "delete_objects"),
        may_see_images=may(request, "view_image"),
        **(_page(request, bucket, prefix, listed) if listed else {}),
    )
    return TemplateResponse(request, "admin/media_catalog/objects.html", context)


@bucket_view("browse_objects", "write_objects", post_only=True)
def upload_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """Write each file to the folder and say how it went; a fault of S3 ends it."""
    prefix = request.GET.get("prefix", "")
    form = UploadForm(request.POST, request.FILES)
    if prefix != objects.folder_of(prefix):
        messages.error(request, _("Files are uploaded to a folder: its path ends with “/”."))
    elif not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["chosen"]))
    else:
        with meter.tally() as spent:
            _upload(request, bucket, prefix, form.cleaned_data["chosen"])
        if spent:
            messages.info(request, _("The upload cost %(requests)s.") % {"requests": in_words(spent)})
        prefix = objects.upload_folder(bucket, prefix)
    return redirect(url(bucket, "objects", prefix=prefix))


def crumbs(bucket: Bucket, prefix: str) -> list[tuple[str, str]]:
    """(label, address) of each folder on the way down to the prefix; empty parts of a key are folders too."""
    parts = prefix.split(DELIMITER)[:-1]
    paths = [DELIMITER.join(parts[: count + 1]) + DELIMITER for count in range(len(parts))]
    return [
        (visible(part) or _("(empty)"), url(bucket, "objects", prefix=path))
        for part, path in zip(parts, paths, strict=True)
    ]


def images_url(bucket: Bucket) -> str:
    """The list of the images that the catalogue has in the bucket."""
    return f"{reverse('admin:media_catalog_image_changelist')}?{urlencode({'bucket__id__exact': bucket.pk})}"


def trash_url(bucket: Bucket) -> str:
    """The list of what lies in the bucket's trash."""
    return f"{reverse('admin:media_catalog_trashedobject_changelist')}?{urlencode({'bucket__id__exact': bucket.pk})}"


def _files_url(request: HttpRequest, bucket: Bucket) -> str | None:
    """Where to upload, when the catalogue has what the bucket holds: empty for who may not. None for here."""
    if bucket.role != Bucket.Role.GENERAL or not is_kept(bucket):
        return None
    may_add = bucket.accepts == Bucket.Accepts.ANY and may(request, "add_storedfile")
    return f"{reverse('admin:media_catalog_storedfile_add')}?{urlencode({'bucket': bucket.pk})}" if may_add else ""


def as_value(key: str) -> str:
    """The key for a form field: browsers change line ends on the way."""
    return quote(key, safe="")


def _page(request: HttpRequest, bucket: Bucket, prefix: str, listed: Any) -> dict[str, Any]:
    known = objects.known(bucket, [entry.key for entry in listed.objects])
    start = len(objects.folder_of(prefix))
    return {
        "folders": [(visible(folder[start:]), url(bucket, "objects", prefix=folder)) for folder in listed.folders],
        "rows": [
            Row(
                name=visible(entry.key[start:]) or _("(the folder itself)"),
                url=url(bucket, "object", key=entry.key),
                value=as_value(entry.key),
                size=entry.size,
                modified=entry.modified,
                storage_class=entry.storage_class,
                known=known.get(entry.key, Known()),
                reserved=is_reserved(entry.key),
            )
            for entry in listed.objects
        ],
        **_turns(request, bucket, prefix, listed.token),
    }


def _turns(request: HttpRequest, bucket: Bucket, prefix: str, following: str) -> dict[str, str]:
    """Addresses of the first, last and next page. S3 only goes forward: the address keeps the tokens so far."""
    token, past = request.GET.get("token", ""), request.GET.getlist("past")
    return {
        "first_url": url(bucket, "objects", prefix=prefix) if token else "",
        "next_url": _address(bucket, prefix, following, [*past, token]) if following else "",
        "back_url": _address(bucket, prefix, past[-1], past[:-1]) if past else "",
    }


def _address(bucket: Bucket, prefix: str, token: str, past: Sequence[str]) -> str:
    """Of the page that begins at the token, with as many of the latest tokens before it as fit."""
    address = url(bucket, "objects", prefix=prefix, token=token)
    room = ADDRESS_CHARACTERS - len(quote(address))
    kept: list[str] = []
    for each in reversed(past):
        part = f"&{urlencode({'past': each})}"
        room -= len(quote(part))
        if room < 0:
            break
        kept.insert(0, part)
    return address + "".join(kept)


def _upload(request: HttpRequest, bucket: Bucket, prefix: str, files: Sequence[Any]) -> None:
    written = []
    for number, file in enumerate(files):
        try:
            key = objects.upload(bucket, file=file, name=file.name or "", prefix=prefix, user=staff(request))
        except BackofficeError as error:
            messages.error(request, format_html("<strong>{}</strong>: {}", file.name, sentence(error)))
            if isinstance(error, FOR_ALL_FILES):
                left = len(files) - number - 1
                if left:
                    messages.error(request, _not_tried(left))
                break
            continue
        written.append(key)
        messages.success(request, format_html(_("Uploaded <strong>{}</strong>."), visible(key)))
    if written:
        log(request, [bucket], CHANGE, _("Uploaded: %(keys)s") % {"keys": ", ".join(map(visible, written))})


def _not_tried(count: int) -> str:
    return ngettext("%(count)d more file was not tried.", "%(count)d more files were not tried.", count) % {
        "count": count
    }
