"""The confirmation of a job on images: its exact cost beside the limits, then the start of what was shown."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.exceptions import QuotaShort, TooManyItems
from media_catalog.jobs.parking import waits_until
from media_catalog.models import Image, Job, RequestClass
from media_catalog.quota import estimate as estimates
from media_catalog.quota import reservations
from media_catalog.quota.estimate import Estimate, estimate
from media_catalog.quota.summary import LimitSummary, summaries
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import readable_by_rekognition, sentence, shortfall

from .history import log, refused_by_quota
from .pictures import thumbnail

STRIP = 8  # pictures shown of the selection
SEPARATORS = re.compile(r"[\s.,'’]")  # what people and pages put between the thousands of a number


class Start(Protocol):
    def __call__(self, *, park: bool, token: UUID | None) -> Job: ...


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images (sorted ids) that a kind of job would run on, with its options, and how it is started.

    `fields` (hidden ones) make the form ask for the same again; `back` is where Cancel leads. `left_out`: how many more
    were asked for than one job takes.
    """

    ids: Sequence[int]
    kind: str
    options: Mapping[str, Any]
    fields: Sequence[tuple[str, str]] = ()
    back: str
    back_label: str
    start: Start
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Question:
    """How the page asks. `choices` are the options that can be ticked on it, with their labels."""

    title: str
    button: str
    choices: Mapping[str, str | Promise] = field(default_factory=dict)
    destructive: bool = False


def confirm_or_start(page: ModelAdmin, request: HttpRequest, selection: Selection, asked: Question) -> HttpResponse:
    """The confirmation page; on its button, a job with exactly the images that the page counted."""
    if len(selection.ids) > settings.JOB_MAX_ITEMS:
        messages.error(request, sentence(TooManyItems(count=len(selection.ids), limit=settings.JOB_MAX_ITEMS)))
        return redirect(selection.back)
    if {"confirm", "park"} & set(request.POST):
        if objection := _objection(request, selection):
            messages.warning(request, objection)
        elif job := _start(request, selection, asked):
            return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))
    context = _context(page, request, selection, asked)
    return TemplateResponse(request, "admin/media_catalog/bulk.html", context)


def digest(ids: Sequence[int]) -> str:
    """Stands for exactly these images (sorted ids), however many, in a field of a form: SHA-256 in hex."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()


def _objection(request: HttpRequest, selection: Selection) -> str:
    """Why the page must be shown once more. What was shown is what runs: its numbers belong to these images."""
    if request.POST.get("selection") != digest(selection.ids):
        return _("The selection has changed meanwhile. Check the numbers and confirm again.")
    if request.POST.get("counted_options", "") != _ticked(selection.options):
        return _("The options change the numbers. Check them and confirm again.")
    count = len(selection.ids)
    if must_type(count) and not typed_number(request, count):
        return _("Nothing was started. Type the number of images, %(count)s, to confirm.") % {
            "count": number_format(count, force_grouping=True)
        }
    return ""


def must_type(count: int) -> bool:
    return count > settings.JOB_CONFIRM_ABOVE


def typed_number(request: HttpRequest, count: int) -> bool:
    """Whether the number was typed, with or without separators."""
    return SEPARATORS.sub("", request.POST.get("typed", "")) == str(count)


def _ticked(options: Mapping[str, Any]) -> str:
    return " ".join(name for name, ticked in options.items() if ticked)


def _start(request: HttpRequest, selection: Selection, asked: Question) -> Job | None:
    """None when a limit does not allow it, which the page then shows."""
    token = token_of(request)
    try:
        job = selection.start(park="park" in request.POST, token=token)
    except QuotaShort as short:
        refused_by_quota(short, selection.kind)
        messages.error(request, sentence(short))
        return None
    except IntegrityError:
        started = Job.objects.filter(token=token).first() if token else None
        if started is None:
            messages.warning(request, _("Images were removed at this moment. Check the numbers and confirm again."))
        return started  # the same form, sent twice
    # Not in the start's transaction, which holds the counters' locks.
    message = _("%(action)s requested (job %(job)s)") % {"action": asked.title, "job": job}
    log(request, Image.objects.filter(pk__in=selection.ids), CHANGE, message)
    return job


def token_of(request: HttpRequest) -> UUID | None:
    """Of the form that was sent; None for one that was made by hand."""
    try:
        return UUID(request.POST.get("token", ""))
    except ValueError:
        return None


def sent_fields(request: HttpRequest, *more: str) -> list[tuple[str, str]]:
    """What the list, or with `more` another page, has sent: with it the form asks for the same rows again."""
    given = [(name, request.POST[name]) for name in ("action", "select_across", *more) if name in request.POST]
    return given + [(ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]


def _context(page: ModelAdmin, request: HttpRequest, selection: Selection, asked: Question) -> dict[str, Any]:
    ids = selection.ids
    cost = estimate(selection.kind, candidates(ids, stale_of=selection.options.get("stale_of")), selection.options)
    shown = Image.objects.with_renditions().filter(pk__in=ids[:STRIP]).order_by("pk")
    return {
        **page.admin_site.each_context(request),
        **_cost_context(cost),
        "opts": page.opts,
        "media": page.media,
        "title": asked.title,
        "asked": asked,
        "fields": selection.fields,
        "count": len(ids),
        "must_type": must_type(len(ids)),
        "selection": digest(ids),
        "token": uuid4().hex,
        "notes": [*_notes(asked, cost), *_left_out(selection)],
        "nothing_to_do": not any(cost.requests.values()) and not estimates.FAILING & cost.skipped.keys(),
        "options": [(name, label, selection.options[name]) for name, label in asked.choices.items()],
        "strip": [thumbnail(image) for image in shown],
        "more": max(0, len(ids) - STRIP),
        "counted_options": _ticked(selection.options),
        "back": selection.back,
        "back_label": selection.back_label,
    }


def _cost_context(cost: Estimate) -> dict[str, Any]:
    """The estimate beside each limit, before and after; and what can run now when it does not fit."""
    requests = {cls: count for cls, count in cost.requests.items() if count}
    short = reservations.missing(requests, bulk=True)
    fitting = cost.fitting(reservations.left(short)) if short else len(cost.costs)
    until = waits_until(cost, short) if short else None
    limits = [limit for limit in summaries() if limit.request_class in requests]
    return {
        "cost": cost,
        "lines": [Line(entry, requests[entry.request_class]) for entry in limits],
        "free": requests.get(RequestClass.FREE, 0),
        "price": cost.price(settings.REQUEST_PRICES),
        "short": [shortfall(entry) for entry in short],
        "fitting": fitting,
        "parked": len(cost.costs) - fitting,
        "parked_until": until.date() if until else None,
        "skipped": sum(cost.skipped.values()),
    }


def _left_out(selection: Selection) -> Iterator[str]:
    if selection.left_out:
        yield ngettext(
            "%(count)s other image is left for another job: one takes at most %(limit)s.",
            "%(count)s other images are left for another job: one takes at most %(limit)s.",
            selection.left_out,
        ) % {
            "count": number_format(selection.left_out, force_grouping=True),
            "limit": number_format(settings.JOB_MAX_ITEMS, force_grouping=True),
        }


def _notes(asked: Question, cost: Estimate) -> Iterator[str]:
    """What is left out and why, one sentence for each reason."""
    for reason, count in cost.skipped.items():
        yield _SKIPPED[reason](count) % {"count": count, "readable": readable_by_rekognition()}
    if asked.destructive:
        count = cost.requests.get(RequestClass.S3_TIER1, 0)
        yield (
            ngettext(
                "%(count)d image goes to the trash of its bucket, and its renditions are deleted.",
                "%(count)d images go to the trash of their buckets, and their renditions are deleted.",
                count,
            )
            % {"count": count}
            + " "
            + way_back()
        )


def way_back() -> str:
    """How long there is a way back."""
    if not settings.TRASH_DAYS:
        return _("From there they can be restored until they are purged.")
    return ngettext(
        "From there they can be restored for %(count)d day.",
        "From there they can be restored for %(count)d days.",
        settings.TRASH_DAYS,
    ) % {"count": settings.TRASH_DAYS}


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
    estimates.UNPAIRED: lambda count: ngettext(
        "%(count)d image is in a bucket that is not paired with one for renditions: it will be marked as failed without"
        " a request.",
        "%(count)d images are in buckets that are not paired with one for renditions: they will be marked as failed"
        " without a request.",
        count,
    ),
    estimates.REFUSED: lambda count: ngettext(
        "%(count)d image would only get renditions of too many pixels, or in place of another image's: it will be"
        " marked as failed without a request.",
        "%(count)d images would only get renditions of too many pixels, or in place of another image's: they will be"
        " marked as failed without a request.",
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
