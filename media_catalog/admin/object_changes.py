"""Moving objects of a bucket to the trash: images by their job, a few others at once, more by a job."""

import secrets
from collections import Counter
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.exceptions import BackofficeError, ObjectRefused
from media_catalog.models import Bucket, Image, Rendition, TrashedObject
from media_catalog.quota import meter
from media_catalog.quota.estimate import estimate
from media_catalog.services import objects, trash_objects
from media_catalog.services.object_keys import visible
from media_catalog.services.objects import Known
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import sentence

from .bucket_jobs import follow, start_or_say
from .bucket_pages import bucket_view, check_permissions, page_context, url
from .confirmation import token_of
from .costs import cost_context, in_words
from .history import log
from .objects import crumbs
from .trash_actions import offer_undo, say_failed


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
    """Within this request. What is large, or S3 is too slow for, goes on as a job."""
    keys, run = options["keys"], options["run"]
    made = Rendition.objects.filter(bucket=bucket, key__in=keys)
    before = made.count()
    moved, settled = None, set[str]()
    with meter.tally() as spent:
        try:
            moved = trash_objects.move_objects(bucket=bucket, keys=keys, run=run, settled=settled, at_once=True)
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
    if spent:
        messages.info(request, _("Moving to the trash cost %(requests)s.") % {"requests": in_words(spent)})
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
    job = start_or_say(request, kind="trash_objects", scope=scope, options=options, token=token)
    if job is None:
        return
    log(request, [bucket], CHANGE, _("%(scope)s: moved to trash (job %(job)s)") % {"scope": scope, "job": job})
    follow(request, scope, job)


def _remove_images(request: HttpRequest, images: list[Image], token: UUID | None) -> None:
    scope = ngettext("%(count)d image", "%(count)d images", len(images)) % {"count": len(images)}
    job = start_or_say(request, kind="remove_images", scope=scope, images=[image.pk for image in images], token=token)
    if job is None:
        return
    log(request, images, CHANGE, _("Move to trash requested (job %(job)s)") % {"job": job})
    follow(request, scope, job)
