"""The quota panel: what is used, held and left, at which pace, by whom, and what was refused."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.jobs.kinds import KINDS
from media_catalog.models import Job, RequestClass, RequestUsage
from media_catalog.quota import report, usage
from media_catalog.quota.summary import summaries

from .base import ReadOnlyAdmin
from .history import staff

TITLES = {
    "username": gettext_lazy("User"),
    "job": gettext_lazy("Job"),
    "job_kind": gettext_lazy("Kind of job"),
    "bucket": gettext_lazy("Bucket"),
    "action": gettext_lazy("Page or command"),
    "operation": gettext_lazy("Operation"),
}
CHART_WIDTH, CHART_HEIGHT, CHART_BOTTOM = 640, 150, 130
BAR_WIDTH = 14
STEP = (CHART_WIDTH - 40) / report.CHART_DAYS


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A day of the chart, in the units of its view box."""

    day: report.Day
    x: float
    y: float
    height: float
    label: bool

    @property
    def middle(self) -> float:
        return self.x + BAR_WIDTH / 2


@admin.register(RequestUsage)
class QuotaAdmin(ReadOnlyAdmin):
    """One page instead of a list. Without the permission staff see their own spending."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: RequestUsage | None = None) -> bool:
        return obj is None or super().has_view_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        everybody = super().has_view_permission(request)
        username = None if everybody else staff(request).get_username()
        chosen = _chosen(request)
        rows = report.usage_of(username).filter(**chosen)
        days = report.days(rows)
        measured, estimated = report.measured_and_estimated(rows)
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.opts,
            "title": _("Quota"),
            "everybody": everybody,
            "limits": summaries(),
            "classes": [(cls.value, cls.label) for cls in RequestClass if cls is not RequestClass.FREE],
            "bars": _bars(days),
            "top": max(day.total for day in days),
            "days": days,
            "measured": measured,
            "estimated": estimated,
            "dimensions": [_dimension(rows, name, chosen) for name in report.DIMENSIONS],
            "chosen": [(TITLES[name], _label(name, value), _without(chosen, name)) for name, value in chosen.items()],
            "refused": report.refusals(username)[: report.TOP],
            "saved": report.saved() if everybody else {},
            "unwritten": usage.SAVED_BATCH - 1,
            "may_see_limits": request.user.has_perm("media_catalog.view_requestlimit"),
            "may_see_audit": request.user.has_perm("media_catalog.view_auditevent"),
        }
        return TemplateResponse(request, "admin/media_catalog/quota.html", context)


def _bars(days: list[report.Day]) -> list[Bar]:
    top = max(day.total for day in days) or 1
    heights = [round(day.total * (CHART_BOTTOM - 10) / top, 1) for day in days]
    return [
        Bar(day=day, x=round(38 + number * STEP, 1), y=CHART_BOTTOM - height, height=height, label=number % 7 == 1)
        for number, (day, height) in enumerate(zip(days, heights, strict=True))
    ]


def _chosen(request: HttpRequest) -> dict[str, str]:
    """The values that the page is narrowed to; what cannot be one is left out."""
    given = {name: request.GET.get(name, "").replace("\x00", "") for name in report.DIMENSIONS}
    return {name: value for name, value in given.items() if value and (name != "job" or value.isdecimal())}


def _without(chosen: dict[str, str], name: str) -> str:
    return "?" + urlencode({other: value for other, value in chosen.items() if other != name})


def _dimension(rows: Any, name: str, chosen: dict[str, str]) -> dict[str, Any]:
    """A table of who spent. A job leads to its page, any other value narrows this page, the jobs included."""
    shares = report.shares(rows, name)
    jobs = Job.objects.in_bulk([share.value for share in shares]) if name == "job" else {}
    return {
        "name": name,
        "title": TITLES[name],
        "shares": [(share, _label(name, share.value), _link(name, share.value, jobs, chosen)) for share in shares],
    }


def _label(name: str, value: Any) -> str:
    if name == "job_kind" and value in KINDS:
        return str(KINDS[value].label)
    return f"#{value}" if name == "job" else str(value)


def _link(name: str, value: Any, jobs: dict[int, Job], chosen: dict[str, str]) -> str:
    if name == "job":
        return reverse("admin:media_catalog_job_change", args=[value]) if value in jobs else ""
    return "?" + urlencode({**chosen, name: value})
