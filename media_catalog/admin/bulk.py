"""Bulk actions on images: a confirmation page with the exact cost, then a job."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog import jobs
from media_catalog.exceptions import QuotaShort
from media_catalog.models import Image, RequestClass
from media_catalog.quota import estimate as estimates
from media_catalog.quota import reservations
from media_catalog.quota.estimate import Estimate, estimate
from media_catalog.quota.summary import LimitSummary, summaries
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import readable_by_rekognition, sentence, shortfall

from .history import log, refused_by_quota, staff
from .pictures import thumbnail

STRIP = 8  # pictures shown of the selection


@dataclass(frozen=True, kw_only=True)
class BulkAction:
    """`options` are names of check boxes on the page, as the kind of job knows them."""

    kind: str
    title: str | Promise
    button: str | Promise
    options: dict[str, str | Promise] = field(default_factory=dict)
    destructive: bool = False


MAKE_RENDITIONS = BulkAction(
    kind="make_renditions",
    title=gettext_lazy("Make renditions"),
    button=gettext_lazy("Make renditions"),
)
DETECT_FACES = BulkAction(
    kind="detect_faces",
    title=gettext_lazy("Detect faces"),
    button=gettext_lazy("Detect faces"),
    options={"again": gettext_lazy("Analyse images again that have not changed")},
)
REMOVE_IMAGES = BulkAction(
    kind="remove_images",
    title=gettext_lazy("Remove images"),
    button=gettext_lazy("Remove for good"),
    destructive=True,
)


def confirm_or_start(
    page: ModelAdmin, request: HttpRequest, images: QuerySet[Image], action: BulkAction
) -> HttpResponse:
    """The confirmation page; on its button, a job with exactly the images that the page counted."""
    ids = list(images.order_by("pk").values_list("pk", flat=True))
    options = {name: name in request.POST for name in action.options}
    if {"confirm", "park"} & set(request.POST):
        # What was shown is what runs: these are the images and the options that the page's numbers belong to.
        if request.POST.get("selection") != digest(ids):
            messages.warning(request, _("The selection has changed meanwhile. Check the numbers and confirm again."))
        elif request.POST.get("counted_options", "") != _ticked(options):
            messages.warning(request, _("The options change the numbers. Check them and confirm again."))
        elif response := _start(page, request, action, ids, options, park="park" in request.POST):
            return response
    return TemplateResponse(request, "admin/media_catalog/bulk.html", _context(page, request, action, ids, options))


def digest(ids: Sequence[int]) -> str:
    """Stands for exactly these images (sorted ids), however many, in a field of a form: SHA-256 in hex."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()


def _ticked(options: dict[str, bool]) -> str:
    return " ".join(name for name, ticked in options.items() if ticked)


def _start(
    page: ModelAdmin, request: HttpRequest, action: BulkAction, ids: list[int], options: dict[str, bool], *, park: bool
) -> HttpResponse | None:
    """Go to the started job; None when a limit does not allow it, which the page then shows."""
    scope = _scope(page, request, len(ids))
    try:
        with transaction.atomic():
            job = jobs.start(kind=action.kind, user=staff(request), images=ids, scope=scope, options=options, park=park)
            message = _("%(action)s requested (job %(job)s)") % {"action": action.title, "job": job}
            log(request, Image.objects.filter(pk__in=ids), CHANGE, message)
    except QuotaShort as short:
        refused_by_quota(short, action.kind)
        messages.error(request, sentence(short))
        return None
    return HttpResponseRedirect(reverse("admin:media_catalog_job_change", args=[job.pk]))


def _scope(page: ModelAdmin, request: HttpRequest, count: int) -> str:
    """The selection in words, with the filters that it was made under."""
    words = ngettext("%(count)d image", "%(count)d images", count) % {"count": count}
    filters = ", ".join(_filters(page, request)) if request.POST.get("select_across") == "1" else ""
    return _("%(images)s: all with %(filters)s") % {"images": words, "filters": filters} if filters else words


def _filters(page: ModelAdmin, request: HttpRequest) -> Iterator[str]:
    """The filters and the search of the list, as its side bar names them."""
    changelist = page.get_changelist_instance(request)
    for spec in changelist.filter_specs:
        chosen = [choice["display"] for choice in list(spec.choices(changelist))[1:] if choice["selected"]]
        yield from (f"{spec.title}: {display}" for display in chosen)
    if changelist.query:
        yield _("search: %(text)s") % {"text": changelist.query}


def _context(
    page: ModelAdmin, request: HttpRequest, action: BulkAction, ids: list[int], options: dict[str, bool]
) -> dict[str, Any]:
    cost = estimate(action.kind, candidates(ids), options)
    shown = Image.objects.filter(pk__in=ids[:STRIP]).order_by("pk").with_thumbnails()
    return {
        **page.admin_site.each_context(request),
        **_cost_context(cost),
        "opts": page.opts,
        "media": page.media,
        "title": action.title,
        "action": action,
        "action_name": request.POST["action"],
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
        "count": len(ids),
        "selection": digest(ids),
        "notes": list(_notes(action, cost)),
        "nothing_to_do": not any(cost.requests.values())
        and not {estimates.UNREADABLE, estimates.TOO_LARGE} & cost.skipped.keys(),
        "options": [(name, label, options[name]) for name, label in action.options.items()],
        "strip": [thumbnail(image) for image in shown],
        "more": max(0, len(ids) - STRIP),
        "counted_options": _ticked(options),
        "from_image": request.POST.get("from_image", ""),
        "back": _back(request, ids),
    }


def _cost_context(cost: Estimate) -> dict[str, Any]:
    """The estimate beside each limit, before and after; and what can run now when it does not fit."""
    requests = {cls: count for cls, count in cost.requests.items() if count}
    short = reservations.missing(requests, bulk=True)
    fitting = cost.fitting(reservations.left(short)) if short else len(cost.costs)
    limits = [limit for limit in summaries() if limit.request_class in requests]
    return {
        "cost": cost,
        "lines": [Line(entry, requests[entry.request_class]) for entry in limits],
        "free": requests.get(RequestClass.FREE, 0),
        "price": cost.price(settings.REQUEST_PRICES),
        "short": [shortfall(entry) for entry in short],
        "fitting": fitting,
        "parked": len(cost.costs) - fitting,
        "parked_until": reservations.reset(short).date() if short else None,
        "skipped": sum(cost.skipped.values()),
    }


def _notes(action: BulkAction, cost: Estimate) -> Iterator[str]:
    """What is left out and why, one sentence for each reason."""
    for reason, count in cost.skipped.items():
        yield _SKIPPED[reason](count) % {"count": count, "readable": readable_by_rekognition()}
    if action.destructive:
        count = cost.requests.get(RequestClass.FREE, 0)
        yield ngettext(
            "%(count)d object is deleted at S3, and its row with it. This cannot be undone.",
            "%(count)d objects are deleted at S3, and their rows with them. This cannot be undone.",
            count,
        ) % {"count": count}


_SKIPPED: dict[str, Callable[[int], str]] = {
    estimates.NOT_PERMITTED: lambda count: ngettext(
        "%(count)d image is in a bucket under legal hold and must not be removed: it stays.",
        "%(count)d images are in buckets under legal hold and must not be removed: they stay.",
        count,
    ),
    estimates.CURRENT: lambda count: ngettext(
        "%(count)d image has all its renditions already and is skipped.",
        "%(count)d images have all their renditions already and are skipped.",
        count,
    ),
    estimates.ANALYSED: lambda count: ngettext(
        "%(count)d image was analysed already and has not changed: it is skipped.",
        "%(count)d images were analysed already and have not changed: they are skipped.",
        count,
    ),
    estimates.TOO_LARGE: lambda count: ngettext(
        "%(count)d image is too large for Rekognition (it takes %(readable)s): it will be marked as failed without a"
        " request.",
        "%(count)d images are too large for Rekognition (it takes %(readable)s): they will be marked as failed without"
        " a request.",
        count,
    ),
    estimates.UNREADABLE: lambda count: ngettext(
        "%(count)d image cannot be read by Rekognition (it takes %(readable)s): it will be marked as failed"
        " without a request.",
        "%(count)d images cannot be read by Rekognition (it takes %(readable)s): they will be marked as failed"
        " without a request.",
        count,
    ),
}


@dataclass(frozen=True)
class Line:
    """A limit before and after the action."""

    limit: LimitSummary
    requests: int

    @property
    def used_after(self) -> int:
        return self.limit.used + self.limit.held + self.requests

    @property
    def left_after(self) -> int | None:
        return None if self.limit.left is None else self.limit.left - self.requests

    @property
    def short(self) -> int:
        """Requests by which the limit falls short for a job; 0 when it suffices."""
        left = self.limit.left_for_jobs
        return 0 if left is None else max(0, self.requests - left)


def _back(request: HttpRequest, ids: list[int]) -> str:
    """Where the user came from: the page of the one image, or the list as it was filtered."""
    if request.POST.get("from_image") and len(ids) == 1:
        return reverse("admin:media_catalog_image_change", args=ids)
    return f"{reverse('admin:media_catalog_image_changelist')}?{request.GET.urlencode()}"
