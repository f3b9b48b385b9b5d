"""Jobs: the list, with what stands in the way of all of them."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from media_catalog.jobs import health, words
from media_catalog.jobs.control import queue_paused
from media_catalog.jobs.kinds import KINDS
from media_catalog.jobs.progress import Figures, figures, moves
from media_catalog.models import Job, WorkQueue

from . import job_actions, job_items, job_page
from .base import OfferedFilter, ReadOnlyAdmin, number

READING = ("GET", "HEAD")
LIVE_JOBS = 100  # followed on one page; the list has no more rows


class KindFilter(OfferedFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind.slug, kind.label) for kind in KINDS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class RequesterFilter(OfferedFilter):
    title = gettext_lazy("requester")
    parameter_name = "requester"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Nothing to choose for those who see their own jobs alone.

        One look into an index for each account, which are few, instead of a DISTINCT over all jobs.
        """
        if not model_admin.sees_all(request):
            return []
        theirs = Job.objects.filter(requested_by=OuterRef("pk"))
        return [(str(pk), name) for pk, name in User.objects.filter(Exists(theirs)).values_list("pk", "username")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        value = self.value()
        return queryset.filter(requested_by=int(value)) if value else queryset


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["name", "scope", "state_tag", "progress", "requested_by_name", "created_at", "ended"]
    list_display_links = None
    list_filter = ["state", KindFilter, RequesterFilter, "created_at"]
    list_per_page = LIVE_JOBS
    list_max_show_all = LIVE_JOBS
    ordering = ["-pk"]  # the same order as by time, and indexed
    search_fields = ["scope", "requester"]
    search_help_text = gettext_lazy("Scope, requester or number")
    show_full_result_count = False
    change_list_template = "admin/media_catalog/jobs.html"

    def sees_all(self, request: HttpRequest) -> bool:
        return super().has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Everybody sees the jobs that they started; the permission shows those of others."""
        own = obj is None or obj.requested_by_id == request.user.pk
        return own or super().has_view_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Without their options, which may name thousands of files."""
        jobs = Job.objects.defer("options")
        return jobs if self.sees_all(request) else jobs.filter(requested_by=request.user.pk)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """“12” and “#12” find job 12 as well."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        pk = number(search_term.strip().removeprefix("#"))
        return (found if pk is None else found | queryset.filter(pk=pk)), duplicates

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("figures/", view(require_GET(self.figures_of)), name="media_catalog_job_figures"),
            path("<int:pk>/progress/", view(require_GET(self.progress_of)), name="media_catalog_job_progress"),
            path("<int:pk>/report/", view(require_GET(self.report)), name="media_catalog_job_report"),
            *job_actions.urls(self),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The figures of all jobs on the page at once."""
        changelist = super().get_changelist_instance(request)
        shown = list(changelist.result_list)
        found = figures(shown)
        for job in shown:
            job.figures = found[job.pk]
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        queue = queue_paused()
        context = {
            "obstacles": _obstacles(queue),
            "may_pause": request.user.has_perm("media_catalog.pause_workqueue"),
            "queue_verb": "resume" if queue else "pause",
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A page of its own: there is nothing to change, and one may look at it often."""
        found = job_page.fetch(self.get_queryset(request), object_id) if request.method in READING else None
        if found is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return job_page.show(self, request, *found)

    def progress_of(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = job_page.fetch(self.get_queryset(request), str(pk))
        return job_page.progress_json(request, found[0]) if found else JsonResponse({}, status=404)

    def report(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return job_items.report(request, get_object_or_404(self.get_queryset(request), pk=pk))

    def figures_of(self, request: HttpRequest) -> HttpResponse:
        """What the lists poll: the figures of the jobs named, as far as one may see them."""
        ids = [number(text) for text in request.GET.getlist("job")[:LIVE_JOBS]]
        found = list(self.get_queryset(request).filter(pk__in=[pk for pk in ids if pk]))
        each = figures(found)
        return JsonResponse(
            {"jobs": [_json(job, each[job.pk]) for job in found], "obstacles": _obstacles(queue_paused())},
            headers={"Cache-Control": "no-store"},
        )

    @admin.display(description=gettext_lazy("job"), ordering="pk")
    def name(self, job: Job) -> str:
        url = reverse("admin:media_catalog_job_change", args=[job.pk])
        return format_html('<a href="{}">{}</a>', url, words.title(job))

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_tag(self, job: Any) -> str:
        state = words.state(job, job.figures.progress)
        live = format_html(' data-live="{}"', job.pk) if moves(job, job.figures.progress) else ""
        return format_html(
            '<span class="bo-tag bo-{}" data-of="{}" data-part="state"{}>{}</span>',
            state.css,
            job.pk,
            live,
            state.label,
        )

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, job: Any) -> str:
        found: Figures = job.figures
        return format_html(
            '<progress max="100" value="{percent}" aria-label="{label}" data-of="{pk}" data-part="bar"></progress>'
            '<span data-of="{pk}" data-part="summary">{summary}</span>'
            '<span class="bo-quiet" data-of="{pk}" data-part="rate">{rate}</span>',
            pk=job.pk,
            label=_("Progress"),
            percent=found.progress.percent,
            summary=words.summary(found.progress),
            rate=words.rate(found.speed),
        )

    @admin.display(description=gettext_lazy("requested by"), ordering="requester")
    def requested_by_name(self, job: Job) -> str:
        return job.requester or "–"

    @admin.display(description=gettext_lazy("finished"), ordering="finished_at")
    def ended(self, job: Job) -> str:
        return format_html(
            '<span data-of="{}" data-part="ended">{}</span>', job.pk, words.moment(job.finished_at) or "–"
        )


def _obstacles(queue: WorkQueue | None) -> list[str]:
    """What keeps all jobs from going on, in sentences."""
    if queue:
        moment = {"user": queue.paused_by, "moment": words.moment(queue.paused_at)}
        return [_("The queue was paused by %(user)s (%(moment)s): no item of any job starts.") % moment]
    if health.alive() or not Job.objects.filter(state__in=Job.ACTIVE).exists():
        return []
    return [_("No worker is running: jobs wait until one is started.")]


def _json(job: Job, found: Figures) -> dict[str, Any]:
    state = words.state(job, found.progress)
    return {
        "id": job.pk,
        "css": state.css,
        "label": state.label,
        "percent": found.progress.percent,
        "moves": moves(job, found.progress),
        "texts": {
            "summary": words.summary(found.progress),
            "rate": words.rate(found.speed),
            "ended": words.moment(job.finished_at) or "–",
        },
    }
