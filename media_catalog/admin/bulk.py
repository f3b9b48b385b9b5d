"""Bulk actions on images: a confirmation page with the exact cost, then a job."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from media_catalog.models import Image
from media_catalog.quota import estimate, summary
from media_catalog.services import detection, removal, renditions
from media_catalog.services.sentences import readable_by_rekognition

from .history import log, staff
from .pictures import thumbnail

STRIP = 8  # pictures shown of the selection


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Requests per class, and what a member of staff should know, one sentence each."""

    requests: dict[str, int]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BulkAction:
    """`options` are names of check boxes on the page; `cost` takes the ids and the ticked options."""

    kind: str
    title: str | Promise
    button: str | Promise
    cost: Callable[[Sequence[int], dict[str, bool]], Cost]
    options: dict[str, str | Promise] = field(default_factory=dict)
    destructive: bool = False


def _renditions_cost(images: Sequence[int], options: dict[str, bool]) -> Cost:
    missing = renditions.missing_counts(images)
    complete = missing.count(0)
    notes = []
    if complete:
        notes.append(
            ngettext(
                "%(count)d image has all its renditions already and is skipped.",
                "%(count)d images have all their renditions already and are skipped.",
                complete,
            )
            % {"count": complete}
        )
    return Cost(requests=estimate.renditions(missing), notes=notes)


def _detection_cost(images: Sequence[int], options: dict[str, bool]) -> Cost:
    outlook = detection.outlook(images, again=options.get("again", False))
    notes = []
    if outlook.unchanged:
        notes.append(
            ngettext(
                "%(count)d image was analysed already and has not changed: it is skipped.",
                "%(count)d images were analysed already and have not changed: they are skipped.",
                outlook.unchanged,
            )
            % {"count": outlook.unchanged}
        )
    if outlook.unreadable:
        notes.append(
            ngettext(
                "%(count)d image cannot be read by Rekognition (it takes %(readable)s): it will be marked as failed"
                " without a request.",
                "%(count)d images cannot be read by Rekognition (it takes %(readable)s): they will be marked as failed"
                " without a request.",
                outlook.unreadable,
            )
            % {"count": outlook.unreadable, "readable": readable_by_rekognition()}
        )
    return Cost(requests=estimate.detection(outlook.to_analyse), notes=notes)


def _removal_cost(images: Sequence[int], options: dict[str, bool]) -> Cost:
    objects = removal.object_count(list(images))
    note = ngettext(
        "%(count)d object is deleted at S3, and its row with it. This cannot be undone.",
        "%(count)d objects are deleted at S3, and their rows with them. This cannot be undone.",
        objects,
    ) % {"count": objects}
    return Cost(requests=estimate.removal(objects), notes=[note])


MAKE_RENDITIONS = BulkAction(
    kind="make_renditions",
    title=gettext_lazy("Make renditions"),
    button=gettext_lazy("Make renditions"),
    cost=_renditions_cost,
)
DETECT_FACES = BulkAction(
    kind="detect_faces",
    title=gettext_lazy("Detect faces"),
    button=gettext_lazy("Detect faces"),
    cost=_detection_cost,
    options={"again": gettext_lazy("Analyse images again that have not changed")},
)
REMOVE_IMAGES = BulkAction(
    kind="remove_images",
    title=gettext_lazy("Remove images"),
    button=gettext_lazy("Remove for good"),
    cost=_removal_cost,
    destructive=True,
)


def confirm_or_start(
    page: ModelAdmin, request: HttpRequest, images: QuerySet[Image], action: BulkAction
) -> HttpResponse:
    """The confirmation page; on its button, a job with exactly the images that the page counted."""
    ids = list(images.order_by("pk").values_list("pk", flat=True))
    options = {name: name in request.POST for name in action.options}
    if "confirm" in request.POST:
        # What was shown is what runs: these are the images and the options that the page's numbers belong to.
        if request.POST.get("selection") != digest(ids):
            messages.warning(request, _("The selection has changed meanwhile. Check the numbers and confirm again."))
        elif request.POST.get("counted_options", "") != _ticked(options):
            messages.warning(request, _("The options change the numbers. Check them and confirm again."))
        else:
            return _start(page, request, action, ids, options)
    return TemplateResponse(request, "admin/media_catalog/bulk.html", _context(page, request, action, ids, options))


def digest(ids: Sequence[int]) -> str:
    """Stands for exactly these images (sorted ids), however many, in a field of a form: SHA-256 in hex."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()


def _ticked(options: dict[str, bool]) -> str:
    return " ".join(name for name, ticked in options.items() if ticked)


def _start(
    page: ModelAdmin, request: HttpRequest, action: BulkAction, ids: list[int], options: dict[str, bool]
) -> HttpResponse:
    scope = _scope(page, request, len(ids))
    with transaction.atomic():
        job = jobs.start(
            kind=action.kind,
            user=staff(request),
            images=ids,
            scope=scope,
            options=options,
            estimate=action.cost(ids, options).requests,
        )
        message = _("%(action)s requested (job %(job)s)") % {"action": action.title, "job": job}
        log(request, Image.objects.filter(pk__in=ids), CHANGE, message)
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
    cost = action.cost(ids, options)
    lines = estimate.lines(cost.requests, summary.this_month())
    shown = Image.objects.filter(pk__in=ids[:STRIP]).order_by("pk").with_thumbnails()
    return {
        **page.admin_site.each_context(request),
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
        "cost": cost,
        "lines": lines,
        "short": [line for line in lines if line.short],
        "nothing_to_do": not any(cost.requests.values()) and not cost.notes,
        "options": [(name, label, options[name]) for name, label in action.options.items()],
        "strip": [thumbnail(image) for image in shown],
        "more": max(0, len(ids) - STRIP),
        "counted_options": _ticked(options),
        "from_image": request.POST.get("from_image", ""),
        "back": _back(request, ids),
    }


def _back(request: HttpRequest, ids: list[int]) -> str:
    """Where the user came from: the page of the one image, or the list as it was filtered."""
    if request.POST.get("from_image") and len(ids) == 1:
        return reverse("admin:media_catalog_image_change", args=ids)
    return f"{reverse('admin:media_catalog_image_changelist')}?{request.GET.urlencode()}"
