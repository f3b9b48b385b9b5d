"""What runs by the clock, how it went, and the workers that do it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from media_catalog.exceptions import QueueAway
from media_catalog.jobs import health, schedules, words
from media_catalog.jobs.schedules import Plan
from media_catalog.models import ScheduleRun, Worker
from media_catalog.services.sentences import sentence

from .base import ReadOnlyAdmin
from .history import staff


@dataclass(frozen=True, kw_only=True)
class Row:
    """`next_run` is None for a schedule that is not installed, `run` for one that never ran."""

    plan: Plan
    next_run: datetime | None
    run: ScheduleRun | None

    @property
    def interval(self) -> str:
        return words.length(timedelta(minutes=self.plan.minutes))

    @property
    def seconds(self) -> float | None:
        """How long the last run took; None when there is none or it has not ended."""
        if self.run is None or self.run.finished_at is None:
            return None
        return (self.run.finished_at - self.run.started_at).total_seconds()


@admin.register(ScheduleRun)
class ScheduleAdmin(ReadOnlyAdmin):
    """One page instead of a list: a schedule that never ran has no row, and is shown all the same."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.run_now))
        return [path("run/", view, name="media_catalog_schedulerun_run"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.opts,
            "title": _("Schedules"),
            "rows": _rows(),
            "may_run": request.user.has_perm("media_catalog.run_schedulerun"),
            "workers": Worker.objects.order_by("name"),
            "living": set(health.living().values_list("pk", flat=True)),
            "now": timezone.now(),
        }
        return TemplateResponse(request, "admin/media_catalog/schedules.html", context)

    def run_now(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("media_catalog.run_schedulerun"):
            raise PermissionDenied
        plan = schedules.PLANS.get(request.POST.get("slug", ""))
        if plan is None:
            raise Http404
        try:
            schedules.run_now(plan.slug)
        except QueueAway as error:
            messages.error(request, sentence(error))
            return redirect(reverse("admin:media_catalog_schedulerun_changelist"))
        LogEntry.objects.create(
            user_id=staff(request).pk,
            content_type_id=get_content_type_for_model(ScheduleRun).pk,
            object_repr=str(plan.label),
            action_flag=CHANGE,
            change_message=_("Run at once."),
        )
        messages.success(request, _("“%(label)s” runs as soon as a worker is free.") % {"label": plan.label})
        return redirect(reverse("admin:media_catalog_schedulerun_changelist"))


def _rows() -> list[Row]:
    next_runs = schedules.next_runs()
    runs = ScheduleRun.objects.in_bulk(field_name="slug")
    return [Row(plan=plan, next_run=next_runs.get(slug), run=runs.get(slug)) for slug, plan in schedules.PLANS.items()]
