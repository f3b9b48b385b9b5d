"""Jobs about one bucket, as its pages start them."""

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from media_catalog import jobs
from media_catalog.exceptions import QuotaShort
from media_catalog.jobs.control import under_way
from media_catalog.models import Bucket, Job
from media_catalog.services import inventory
from media_catalog.services.sentences import sentence

from .bucket_pages import bucket_view, may, page_context, url
from .costs import cost_context, in_words, left_in_words
from .history import log, refused_by_quota, staff


@bucket_view("sync_bucket", post_only=True)
def take_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """Start an inventory; where it does not fit, show by how much, and offer to park it."""
    cost = cost_context(inventory.cost(bucket), bulk=True)
    if cost["cost_short"] and "park" not in request.POST and not under_way("sync_inventory", bucket.pk):
        context = page_context(page, request, bucket, _("Take inventory"), **cost)
        return TemplateResponse(request, "admin/media_catalog/inventory_short.html", context)
    scope = _("Inventory of “%(bucket)s”") % {"bucket": bucket}
    return start_job(request, bucket, "sync_inventory", scope)


@bucket_view("sync_bucket", post_only=True)
def reconcile_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    scope = _("Discrepancies of “%(bucket)s”") % {"bucket": bucket}
    return start_job(request, bucket, "reconcile", scope)


def inventory_context(request: HttpRequest, bucket: Bucket) -> dict[str, Any]:
    """For the button that starts an inventory."""
    cost = inventory.cost(bucket)
    requests = in_words(cost)
    known = bucket.entry_count is not None
    said = _("about %(requests)s") if known else _("at least %(requests)s: how many is not known yet")
    words = [said % {"requests": requests}, *left_in_words(cost)]
    return {"may_take_inventory": may(request, "sync_bucket"), "inventory_cost": "; ".join(words)}


def start_job(
    request: HttpRequest,
    bucket: Bucket,
    kind: str,
    scope: str,
    *,
    prepare: Callable[[], None] | None = None,
    token: UUID | None = None,
    **options: Any,
) -> HttpResponse:
    """Go to the job, or back to the bucket when a limit does not allow it. `prepare` is undone then, and may raise.

    One of a kind at a time for each bucket, and one for each token: to the job that there is, then.
    """
    options = {"bucket": bucket.pk, "run": secrets.token_hex(8), **options}
    try:
        with transaction.atomic():
            # Locked, so that the second click of two finds the job of the first.
            Bucket.objects.select_for_update().filter(pk=bucket.pk).exists()
            if started := _of_the_form(token):
                return _to(started)
            if other := under_way(kind, bucket.pk):
                messages.info(request, _("This is under way already."))
                return _to(other)
            if prepare:
                prepare()
            job = jobs.start(
                kind=kind,
                user=staff(request),
                scope=scope,
                options=options,
                park="park" in request.POST,
                token=token,
            )
    except QuotaShort as short:
        refused_by_quota(short, kind)
        messages.error(request, sentence(short))
        return redirect(url(bucket, "change"))
    log(request, [bucket], CHANGE, _("%(scope)s requested (job %(job)s)") % {"scope": scope, "job": job})
    return _to(job)


def start_or_say(request: HttpRequest, *, kind: str, scope: str, token: UUID | None, **work: Any) -> Job | None:
    """A new job; None when a limit does not allow it, or the same form has started it already, which is said."""
    try:
        return jobs.start(kind=kind, user=staff(request), scope=scope, park="park" in request.POST, token=token, **work)
    except QuotaShort as short:
        refused_by_quota(short, kind)
        messages.error(request, sentence(short))
    except IntegrityError:
        started = _of_the_form(token)
        if started is None:
            messages.warning(request, _("Images were removed at this moment. Check the numbers and confirm again."))
        else:
            follow(request, scope, started)
    return None


def follow(request: HttpRequest, scope: str, job: Job) -> None:
    """Say what has been started, with a link to the job."""
    link = reverse("admin:media_catalog_job_change", args=[job.pk])
    words = _("Follow the job, or undo it there")
    messages.success(request, format_html('{} <a href="{}">{}</a>', scope, link, words))


def _of_the_form(token: UUID | None) -> Job | None:
    """The job that it has started already."""
    return Job.objects.filter(token=token).first() if token else None


def _to(job: Job) -> HttpResponse:
    return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))
