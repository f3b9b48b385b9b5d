"""Jobs: the list, and the page on which one is followed."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.jobs.kinds import KINDS
from media_catalog.jobs.progress import Progress, progress
from media_catalog.models import Job, JobItem, RequestClass

from .base import OfferedFilter, ReadOnlyAdmin

ITEMS_PER_PAGE = 100


class KindFilter(OfferedFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind.slug, kind.label) for kind in KINDS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["name", "scope", "result", "requested_by", "created_at", "finished_at"]
    list_display_links = None
    list_filter = ["state", KindFilter, "created_at"]
    list_select_related = ["requested_by"]
    show_full_result_count = False
    change_form_template = "admin/media_catalog/job.html"
    fields = ["scope"]

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Everybody sees the jobs that they started; the permission shows those of others."""
        own = obj is None or obj.requested_by_id == request.user.pk
        return own or super().has_view_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        over = Q(items__state__in=[JobItem.State.DONE, JobItem.State.SKIPPED, JobItem.State.FAILED])
        jobs = Job.objects.select_related("requested_by").annotate(
            item_count=Count("items"),
            over_count=Count("items", filter=over),
            failed_count=Count("items", filter=Q(items__state=JobItem.State.FAILED)),
        )
        return jobs if super().has_view_permission(request) else jobs.filter(requested_by=request.user.pk)

    @admin.display(description=gettext_lazy("job"), ordering="pk")
    def name(self, job: Job) -> str:
        url = reverse("admin:media_catalog_job_change", args=[job.pk])
        return format_html('<a href="{}">#{} {}</a>', url, job.pk, KINDS[job.kind].label)

    @admin.display(description=gettext_lazy("state"))
    def result(self, job: Any) -> str:
        css = "failed" if job.failed_count else "done" if job.state == Job.State.FINISHED else "queued"
        said = _summary(over=job.over_count, total=job.item_count, failed=job.failed_count)
        return format_html('<span class="bo-tag bo-{}">{}</span> {}', css, job.get_state_display(), said)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress)
        return [path("<int:pk>/progress/", view, name="media_catalog_job_progress"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None:
            return super().change_view(request, object_id, form_url, extra_context)
        context = {
            **_progress_context(job),
            "title": f"{KINDS[job.kind].label} {job}",
            "subtitle": None,
            "estimate": _classes(job.estimate),
        }
        context |= _items_context(request, job, context["progress"])
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the job page polls: the figures, and whether anything may still change."""
        job = get_object_or_404(self.get_queryset(request), pk=pk)
        context = _progress_context(job)
        now: Progress = context["progress"]
        return JsonResponse(
            {
                "state": job.state,
                "finished": job.state in (Job.State.FINISHED, Job.State.PARKED),
                "label": job.get_state_display(),
                "percent": now.percent,
                "counts": {state: getattr(now, state) for state in JobItem.State.values},
                "summary": context["summary"],
                "started": _moment(job.started_at),
                "ended": _moment(job.finished_at),
                "items": [_item_json(item) for item in _items(request, job, now).object_list],
            },
            headers={"Cache-Control": "no-store"},
        )


def _progress_context(job: Job) -> dict[str, Any]:
    now = progress(job)
    return {
        "job": job,
        "kind": KINDS[job.kind],
        "progress": now,
        "summary": _summary(over=now.over, total=now.total, failed=now.failed),
        "progress_url": reverse("admin:media_catalog_job_progress", args=[job.pk]),
    }


def _summary(*, over: int, total: int, failed: int) -> str:
    counts = {"over": over, "total": total, "failed": failed}
    if not failed:
        return _("%(over)d of %(total)d processed") % counts
    return (
        ngettext(
            "%(over)d of %(total)d processed, %(failed)d failed",
            "%(over)d of %(total)d processed, %(failed)d failed",
            failed,
        )
        % counts
    )


def _items_context(request: HttpRequest, job: Job, now: Progress) -> dict[str, Any]:
    return {
        "items": _items(request, job, now),
        "item_state": _item_state(request),
        "item_states": [(state.value, state.label) for state in JobItem.State],
    }


def _items(request: HttpRequest, job: Job, now: Progress) -> Any:
    """The page of items that the query string asks for; what it cannot mean is taken as the first page of all."""
    items = job.items.select_related("image").order_by("pk")
    state = _item_state(request)
    paginator = Paginator(items.filter(state=state) if state else items, ITEMS_PER_PAGE)
    paginator.count = getattr(now, state) if state else now.total  # known: no need to count again
    return paginator.get_page(request.GET.get("p"))


def _item_state(request: HttpRequest) -> str:
    state = request.GET.get("state", "")
    return state if state in JobItem.State.values else ""


def _item_json(item: JobItem) -> dict[str, Any]:
    return {
        "id": item.pk,
        "state": item.state,
        "label": item.get_state_display(),
        "message": item.message,
        "requests": sum(item.requests.values()),
    }


def _classes(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(str(RequestClass(cls).label), count) for cls, count in counts.items() if count]


def _moment(value: Any) -> str:
    return date_format(localtime(value), "DATETIME_FORMAT") if value else ""
