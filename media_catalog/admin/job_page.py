"""The page on which one job is followed, and what it polls."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from media_catalog.jobs import health, telling, words
from media_catalog.jobs.progress import Figures, figures, moves
from media_catalog.models import Job, JobItem, WorkQueue

from . import bulk, job_actions, job_items
from .base import number
from .history import staff
from .job_costs import cost_lines

OPTIONS = {name for action in bulk.BY_KIND.values() for name in action.options}


def fetch(visible: QuerySet[Job], object_id: str) -> tuple[Job, list[Job]] | None:
    """A job and those that retry its failed items, with what may stand in its way: one query.

    Of its options, which may name thousands of files, those that are shown.
    """
    pk = number(object_id)
    if pk is None:
        return None
    paused = WorkQueue.objects.exclude(paused_at=None)
    not_handed_over = JobItem.objects.due(timezone.now()).filter(job=OuterRef("pk"), dispatched_at=None)
    found = {
        job.pk: job
        for job in visible.filter(Q(pk=pk) | Q(retry_of=pk))
        .select_related("reservation", "retry_of")
        .defer("options", "retry_of__options")
        .annotate(
            queue_paused_by=Subquery(paused.values("paused_by")[:1]),
            workers=Exists(health.living()),
            not_handed_over=Exists(not_handed_over),
            **{f"option_{name}": F(f"options__{name}") for name in OPTIONS},
        )
        .order_by("pk")
    }
    job = found.pop(pk, None)
    return (job, list(found.values())) if job else None


def show(page: ModelAdmin, request: HttpRequest, job: Job, retries: list[Job]) -> HttpResponse:
    telling.seen(job, user=staff(request).pk)
    found = figures([job])[job.pk]
    allowed = job_actions.allowed(staff(request), job)
    possible = job_actions.possible(job, found.progress)
    items = job_items.page_of(request, job, found.progress)
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": words.title(job),
        "job": job,
        "state": words.state(job, found.progress),
        "progress": found.progress,
        "moves": moves(job, found.progress),
        "texts": _texts(job, found),
        "options": _options(job),
        "original": job.retry_of,
        "may_see_original": job.retry_of and page.has_view_permission(request, job.retry_of),
        "retries": retries,
        "costs": cost_lines(job),
        "actions": [(action, action.slug in possible) for action in job_actions.ACTIONS if action.slug in allowed],
        "items": items,
        "rows": [job_items.row(item) for item in items],
        "wanted": job_items.Wanted.by(request),
        "item_states": [(state.value, state.label) for state in JobItem.State],
        "keep_days": settings.JOB_KEEP_DAYS,
        "progress_url": reverse("admin:media_catalog_job_progress", args=[job.pk]),
    }
    return TemplateResponse(request, "admin/media_catalog/job.html", context)


def progress_json(request: HttpRequest, job: Job) -> HttpResponse:
    """What the page polls: the figures, and whether anything may still change."""
    telling.seen(job, user=staff(request).pk)
    found = figures([job])[job.pk]
    state = words.state(job, found.progress)
    possible = job_actions.possible(job, found.progress)
    return JsonResponse(
        {
            "state": job.state,
            "css": state.css,
            "label": state.label,
            "moves": moves(job, found.progress),
            "percent": found.progress.percent,
            "counts": {state: getattr(found.progress, state) for state in JobItem.State.values},
            "texts": _texts(job, found),
            "actions": sorted(possible & job_actions.allowed(staff(request), job)),
            "costs": {
                line.request_class: {"reserved": line.reserved, "spent": line.spent, "used": line.used}
                for line in cost_lines(job)
            },
            "items": [job_items.row(item) for item in job_items.page_of(request, job, found.progress)],
        },
        headers={"Cache-Control": "no-store"},
    )


def _texts(job: Job, found: Figures) -> dict[str, str]:
    """What changes as the job goes on, in words; empty where there is nothing to say."""
    return {
        "summary": words.summary(found.progress),
        "rate": words.rate(found.speed),
        "obstacle": _obstacle(job),
        "started": words.moment(job.started_at),
        "life": "" if job.is_over else _ago(job.heartbeat),
        "parked": _parked(job),
        "cancelled": _("%(moment)s by %(user)s") % {"moment": words.moment(job.cancelled_at), "user": job.cancelled_by}
        if job.cancelled_at
        else "",
        "ended": words.moment(job.finished_at),
    }


def _parked(job: Job) -> str:
    if job.parked_until:
        return f"{date_format(job.parked_until.astimezone(UTC), 'DATETIME_FORMAT')} UTC"
    return _("a limit is raised: no reset is enough") if job.state == Job.State.PARKED else ""


def _obstacle(job: Any) -> str:
    """What keeps a job fetched by `fetch` from going on."""
    if job.state not in Job.ACTIVE:
        return ""
    if job.queue_paused_by is not None:
        return _("The queue was paused by %(user)s: no item starts.") % {"user": job.queue_paused_by}
    if not job.workers:
        return _("No worker is running: the job waits until one is started.")
    if job.state == Job.State.QUEUED and job.not_handed_over:  # a job that runs has such items for a second at a time
        return _("Not handed to the workers yet, as the queue cannot be reached. It is tried again each second.")
    return ""


def _options(job: Any) -> list[str]:
    """Those that were ticked when the job, fetched by `fetch`, was confirmed, in words."""
    action = bulk.BY_KIND.get(job.kind)
    return [str(label) for name, label in action.options.items() if getattr(job, f"option_{name}")] if action else []


def _ago(moment: datetime) -> str:
    return _("%(length)s ago") % {"length": words.length(timezone.now() - moment)}
