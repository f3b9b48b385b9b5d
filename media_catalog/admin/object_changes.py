"""Copying, moving and deleting objects of a bucket."""

import secrets
from collections import Counter
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4, uuid5

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog import jobs
from media_catalog.exceptions import BackofficeError, ObjectRefused, QuotaShort
from media_catalog.models import Bucket, Image, Job, Rendition, RequestClass, TrashedObject
from media_catalog.quota.estimate import estimate
from media_catalog.services import objects, relocation, trash_objects
from media_catalog.services.object_keys import visible
from media_catalog.services.objects import DELIMITER, Known
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import sentence

from .bucket_pages import bucket_view, check_permissions, page_context, url
from .confirmation import token_of
from .costs import cost_context, in_words
from .history import log, refused_by_quota, staff
from .objects import crumbs
from .trash_actions import offer_undo, say_failed

COPY = {RequestClass.S3_TIER1.value: 1, RequestClass.S3_TIER2.value: 1}
MOVE = {**COPY, RequestClass.S3_TIER2.value: 2, RequestClass.FREE.value: 1}


class CopyForm(forms.Form):
    how = forms.ChoiceField(
        label=gettext_lazy("What"),
        choices=[("move", gettext_lazy("Rename or move")), ("copy", gettext_lazy("Copy"))],
        widget=forms.RadioSelect,
        initial="move",
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


@bucket_view("browse_objects", "write_objects")
def copy_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    key = request.GET.get("key", "")
    form = CopyForm(request.POST or None, initial={"bucket": bucket.pk, "key": key})
    known = objects.known(bucket, [key]).get(key, Known())
    if request.method == "POST" and form.is_valid() and _copy(request, form, bucket, key, known):
        return redirect(url(form.cleaned_data["bucket"], "object", key=form.cleaned_data["key"]))
    context = page_context(
        page,
        request,
        bucket,
        _("Copy or move"),
        form=form,
        visible_key=visible(key),
        crumbs=crumbs(bucket, key.rpartition(DELIMITER)[0] + DELIMITER if DELIMITER in key else ""),
        back_url=url(bucket, "object", key=key),
        known=known,
        copy_cost=in_words(COPY),
        move_cost=in_words(relocation.cost(known.image) if known.image else MOVE),
    )
    return TemplateResponse(request, "admin/media_catalog/object_copy.html", context)


@bucket_view("browse_objects", "delete_objects", post_only=True)
def remove_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """What will go to the trash; on the button there, it goes: images by their job, a few others at once."""
    prefix = request.GET.get("prefix", "")
    values = request.POST.getlist("keys")
    names = [unquote(value) for value in values]
    if not names:
        messages.warning(request, _("Nothing was selected."))
        return redirect(url(bucket, "objects", prefix=prefix))
    if bucket.legal_hold:
        messages.error(request, sentence(ObjectRefused("held")))
        return redirect(url(bucket, "objects", prefix=prefix))
    known = objects.known(bucket, names)
    images = [held.image for held in known.values() if held.image]
    plain = [name for name in names if not known.get(name, Known()).image]
    if images:
        check_permissions(request, "delete_image")
    if {"confirm", "park"} & set(request.POST):
        return _remove(request, bucket, prefix, plain, images)
    context = page_context(
        page,
        request,
        bucket,
        _("Move to trash"),
        values=values,
        names=[visible(name) for name in names],
        images=len(images),
        renditions=sum(bool(held.rendition) for held in known.values()),
        trash_days=settings.TRASH_DAYS,
        token=uuid4().hex,
        crumbs=crumbs(bucket, prefix),
        back_url=url(bucket, "objects", prefix=prefix),
        **cost_context(_cost(bucket, plain, images), bulk=bool(images) or len(plain) > trash_objects.AT_ONCE),
    )
    return TemplateResponse(request, "admin/media_catalog/object_remove.html", context)


def _copy(request: HttpRequest, form: CopyForm, bucket: Bucket, key: str, known: Known) -> bool:
    """Whether it was copied or moved; if not, the form says why."""
    to_bucket, to_key, how = (form.cleaned_data[name] for name in ("bucket", "key", "how"))
    dropped = 0
    try:
        if how == "copy":
            objects.copy(bucket, key, to_bucket=to_bucket, to_key=to_key)
        elif known.image:
            check_permissions(request, "change_image")
            dropped = relocation.relocate(image=known.image, to_bucket=to_bucket, to_key=to_key).dropped
        else:
            objects.move(bucket, key, to_bucket=to_bucket, to_key=to_key)
    except BackofficeError as error:
        form.add_error("key", sentence(error))
        return False
    facts = {"old": visible(key), "new": visible(to_key), "bucket": to_bucket}
    said = (
        _("Copied “%(old)s” to “%(new)s” in %(bucket)s.")
        if how == "copy"
        else _("Moved “%(old)s” to “%(new)s” in %(bucket)s.")
    )
    log(request, [bucket, *([known.image] if known.image and how == "move" else [])], CHANGE, said % facts)
    messages.success(request, said % facts)
    if dropped:
        messages.warning(request, _("Not all renditions could be moved along. Make renditions to have them again."))
    return True


def _cost(bucket: Bucket, plain: list[str], images: list[Image]) -> dict[str, int]:
    """What the two jobs would reserve."""
    removal = estimate("remove_images", candidates([image.pk for image in images]), {})
    return dict(Counter(trash_objects.cost_of_objects(bucket, plain)) + Counter(removal.requests))


def _remove(request: HttpRequest, bucket: Bucket, prefix: str, plain: list[str], images: list[Image]) -> HttpResponse:
    token = token_of(request)
    if plain:
        options = {"bucket": bucket.pk, "keys": plain, "run": secrets.token_hex(16)}
        if len(plain) > trash_objects.AT_ONCE or "park" in request.POST:
            _start(request, bucket, options, token)
        else:
            _move(request, bucket, options, back=url(bucket, "objects", prefix=prefix))
    if images:
        _remove_images(request, images, uuid5(token, "images") if token else None)  # each job has a token of its own
    return redirect(url(bucket, "objects", prefix=prefix))


def _move(request: HttpRequest, bucket: Bucket, options: dict[str, Any], *, back: str) -> None:
    """Within this request. What S3 is too slow for goes on as a job."""
    keys, run = options["keys"], options["run"]
    made = Rendition.objects.filter(bucket=bucket, key__in=keys)
    before = made.count()
    moved, settled = None, set[str]()
    try:
        moved = trash_objects.move_objects(bucket=bucket, keys=keys, run=run, settled=settled)
    except BackofficeError as error:
        messages.error(request, sentence(error))
    there = list(TrashedObject.objects.filter(run=run).here().order_by("pk").values_list("key", flat=True))
    deleted = before - made.count()
    if there:
        log(request, [bucket], CHANGE, _("Moved to trash: %(keys)s") % {"keys": ", ".join(map(visible, there))})
        offer_undo(request, len(there), run, back)
    if deleted:
        log(request, [bucket], CHANGE, _("Renditions deleted: %(count)d") % {"count": deleted})
        said = ngettext("%(count)d rendition deleted.", "%(count)d renditions deleted.", deleted)
        messages.success(request, said % {"count": deleted})
    if moved:
        _say_others(request, moved, gone=len(keys) - len(there) - deleted - len(moved.failed))
    if moved and not moved.done:
        _start(request, bucket, {**options, "settled": sorted(settled)}, None)


def _say_others(request: HttpRequest, moved: trash_objects.Moved, *, gone: int) -> None:
    say_failed(request, moved)
    if moved.done and gone > 0:
        said = ngettext("%(count)d object was gone already.", "%(count)d objects were gone already.", gone)
        messages.info(request, said % {"count": gone})


def _start(request: HttpRequest, bucket: Bucket, options: dict[str, Any], token: UUID | None) -> None:
    count = len(options["keys"])
    scope = ngettext("%(count)d object of %(bucket)s", "%(count)d objects of %(bucket)s", count)
    scope %= {"count": count, "bucket": bucket}
    job = _job(request, kind="trash_objects", scope=scope, options=options, token=token)
    if job is None:
        return
    log(request, [bucket], CHANGE, _("%(scope)s: moved to trash (job %(job)s)") % {"scope": scope, "job": job})
    _follow(request, scope, job)


def _remove_images(request: HttpRequest, images: list[Image], token: UUID | None) -> None:
    scope = ngettext("%(count)d image", "%(count)d images", len(images)) % {"count": len(images)}
    job = _job(request, kind="remove_images", scope=scope, images=[image.pk for image in images], token=token)
    if job is None:
        return
    log(request, images, CHANGE, _("Move to trash requested (job %(job)s)") % {"job": job})
    _follow(request, scope, job)


def _job(request: HttpRequest, *, kind: str, scope: str, token: UUID | None, **work: Any) -> Job | None:
    """A new job; None when a limit does not allow it, or the same form has started it already, which is said."""
    try:
        return jobs.start(kind=kind, user=staff(request), scope=scope, park="park" in request.POST, token=token, **work)
    except QuotaShort as short:
        refused_by_quota(short, kind)
        messages.error(request, sentence(short))
    except IntegrityError:
        started = Job.objects.filter(token=token).first() if token else None
        if started is None:
            messages.warning(request, _("Images were removed at this moment. Check the numbers and confirm again."))
        else:
            _follow(request, scope, started)
    return None


def _follow(request: HttpRequest, scope: str, job: Job) -> None:
    link = reverse("admin:media_catalog_job_change", args=[job.pk])
    words = _("Follow the job, or undo it there")
    messages.success(request, format_html('{} <a href="{}">{}</a>', scope, link, words))
