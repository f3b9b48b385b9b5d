"""Copying, renaming and moving one object: a small one at once, more and images of the catalogue by a job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket, Image
from media_catalog.quota import meter
from media_catalog.quota.estimate import estimate
from media_catalog.services import objects, relocation, transfers
from media_catalog.services.object_keys import visible
from media_catalog.services.objects import Known
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import sentence
from media_catalog.services.turns import AT_ONCE_BYTES

from .bucket_jobs import start_or_say
from .bucket_pages import bucket_view, check_permissions, page_context, url
from .confirmation import token_of
from .costs import cost_context, in_words, spent_in_words
from .history import log
from .objects import crumbs

COPY, MOVE = "copy", "move"
ETAG = re.compile(r"[\w-]{1,80}", re.ASCII)


class TransferForm(forms.Form):
    """What to do, and where to."""

    how = forms.ChoiceField(
        label=gettext_lazy("What"),
        choices=[(MOVE, gettext_lazy("Rename or move")), (COPY, gettext_lazy("Copy"))],
        widget=forms.RadioSelect,
        initial=MOVE,
    )
    bucket = forms.ModelChoiceField(
        label=gettext_lazy("To the bucket"),
        queryset=Bucket.objects.none(),
        empty_label=None,
        error_messages={
            "invalid_choice": gettext_lazy("This bucket no longer exists at S3, or is one for renditions.")
        },
    )
    key = forms.CharField(
        label=gettext_lazy("New key"),
        strip=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("Folders and name. Nothing is overwritten: a key that is taken is refused."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["bucket"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  (declared above)
        present = Bucket.objects.filter(missing_since=None).exclude(role=Bucket.Role.RENDITIONS)
        field.queryset = present.select_related("renditions_bucket")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the form asks for. `image`: the catalogue's, which moves with its renditions; a copy of it is an object."""

    bucket: Bucket
    key: str
    image: Image | None
    to_bucket: Bucket
    to_key: str
    moves: bool

    @property
    def kind(self) -> str:
        if self.image:
            return "move_image"
        return "move_object" if self.moves else "copy_object"

    @property
    def words(self) -> dict[str, Any]:
        return {"old": visible(self.key), "new": visible(self.to_key), "bucket": self.to_bucket}


@bucket_view("browse_objects", "write_objects")
def transfer_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    key = request.GET.get("key", "")
    form = TransferForm(request.POST or None, initial={"bucket": bucket.pk, "key": key})
    image = objects.known(bucket, [key]).get(key, Known()).image
    spent: Mapping[str, int] = {}
    if request.method == "POST" and form.is_valid():
        moves = form.cleaned_data["how"] == MOVE
        wanted = Wanted(
            bucket=bucket,
            key=key,
            image=image if moves else None,
            to_bucket=form.cleaned_data["bucket"],
            to_key=form.cleaned_data["key"],
            moves=moves,
        )
        if wanted.image:
            check_permissions(request, "change_image")
        try:
            with meter.tally() as spent:
                if _is_confirmed(request, wanted):
                    return _start(request, wanted)
                return _transfer(page, request, wanted, spent)
        except BackofficeError as error:
            form.add_error("key", sentence(error))
    context = {
        **_context(page, request, bucket, key, title=_("Copy or move")),
        "form": form,
        "image": image,
        "copy_cost": in_words(transfers.cost_at_once(moves=False)),
        "move_cost": in_words(transfers.cost_at_once(moves=True)),
        "at_once_bytes": AT_ONCE_BYTES,
        "spent": spent_in_words(spent),
    }
    return TemplateResponse(request, "admin/media_catalog/object_copy.html", context)


def _is_confirmed(request: HttpRequest, wanted: Wanted) -> bool:
    asked = bool({"confirm", "park"} & set(request.POST))
    return asked and bool(wanted.image or ETAG.fullmatch(request.POST.get("etag", "")))


def _transfer(page: ModelAdmin, request: HttpRequest, wanted: Wanted, spent: Mapping[str, int]) -> HttpResponse:
    """Do it, or show what a job would take. `spent` grows on the way. Raises what is in the way."""
    image, to_bucket, to_key = wanted.image, wanted.to_bucket, wanted.to_key
    if image:
        relocation.prepare(image, to_bucket, to_key)
        etag, size = image.etag, image.size
    else:
        transfer, size = transfers.prepare(
            wanted.bucket, wanted.key, to_bucket=to_bucket, to_key=to_key, moves=wanted.moves
        )
        if size <= AT_ONCE_BYTES:
            transfers.run(transfer)
            return _done(request, wanted, spent)
        etag = transfer.etag
    cost = estimate(wanted.kind, candidates([image.pk]), {}).requests if image else transfers.cost(moves=wanted.moves)
    context = {
        **_context(page, request, wanted.bucket, wanted.key, title=_("Move") if wanted.moves else _("Copy")),
        **cost_context(cost, bulk=True),
        "wanted": wanted,
        "visible_to_key": visible(to_key),
        "etag": etag,
        "size": size,
        "renditions": image.renditions.count() if image else 0,
        "token": uuid4().hex,
        "spent": spent_in_words(spent),
    }
    return TemplateResponse(request, "admin/media_catalog/object_transfer.html", context)


def _done(request: HttpRequest, wanted: Wanted, spent: Mapping[str, int]) -> HttpResponse:
    said = (
        _("Moved “%(old)s” to “%(new)s” in %(bucket)s.")
        if wanted.moves
        else _("Copied “%(old)s” to “%(new)s” in %(bucket)s.")
    ) % wanted.words
    log(request, [wanted.bucket], CHANGE, said)
    messages.success(request, _("%(said)s It cost %(requests)s.") % {"said": said, "requests": in_words(spent)})
    return redirect(url(wanted.to_bucket, "object", key=wanted.to_key))


def _start(request: HttpRequest, wanted: Wanted) -> HttpResponse:
    """To the job; back to the object when a limit does not allow it."""
    scope = _("“%(old)s” to “%(new)s” in %(bucket)s") % wanted.words
    options: dict[str, Any] = {"to_bucket": wanted.to_bucket.pk, "to_key": wanted.to_key}
    images = [wanted.image.pk] if wanted.image else []
    if not images:
        options |= {"bucket": wanted.bucket.pk, "key": wanted.key, "etag": request.POST["etag"]}
    job = start_or_say(request, kind=wanted.kind, scope=scope, token=token_of(request), images=images, options=options)
    if job is None:
        return redirect(url(wanted.bucket, "object", key=wanted.key))
    said = (
        _("Move requested (job %(job)s): %(scope)s") if wanted.moves else _("Copy requested (job %(job)s): %(scope)s")
    )
    changed = [wanted.bucket, *([wanted.image] if wanted.image else [])]
    log(request, changed, CHANGE, said % {"scope": scope, "job": job})
    return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))


def _context(page: ModelAdmin, request: HttpRequest, bucket: Bucket, key: str, *, title: str) -> dict[str, Any]:
    return page_context(
        page,
        request,
        bucket,
        title,
        visible_key=visible(key),
        crumbs=crumbs(bucket, objects.folder_of(key)),
        back_url=url(bucket, "object", key=key),
    )
