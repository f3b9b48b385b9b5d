"""What the limits refused: all of it, to be searched."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.models import BlockedRequest
from media_catalog.quota import report

from .base import ReadOnlyAdmin, number
from .history import staff


@admin.register(BlockedRequest)
class RefusalAdmin(ReadOnlyAdmin):
    """Without the permission to see what all spend, staff see what they themselves were refused."""

    list_display = [
        "at",
        "username",
        "operation",
        "request_class",
        "period",
        "of_limit",
        "times",
        "bucket",
        "action",
        "linked_job",
    ]
    list_display_links = None
    list_filter = ["request_class", "period", "at"]
    list_per_page = 50
    list_max_show_all = 500
    show_full_result_count = False
    search_fields = ["username", "operation", "bucket", "action"]
    search_help_text = gettext_lazy("User, operation, bucket, page or the number of a job")

    def has_view_permission(self, request: HttpRequest, obj: BlockedRequest | None = None) -> bool:
        return obj is None

    def get_queryset(self, request: HttpRequest) -> QuerySet[BlockedRequest]:
        everybody = request.user.has_perm("media_catalog.view_requestusage")
        return report.refusals(None if everybody else staff(request).get_username())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[BlockedRequest], search_term: str
    ) -> tuple[QuerySet[BlockedRequest], bool]:
        job = number(search_term.strip().removeprefix("#"))
        if job is not None:
            return queryset.filter(job=job), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=gettext_lazy("limit"))
    def of_limit(self, row: BlockedRequest) -> str:
        facts = {name: number_format(getattr(row, name), force_grouping=True) for name in ("needed", "left", "limit")}
        return _("%(needed)s needed, %(left)s of %(limit)s left") % facts

    @admin.display(description=gettext_lazy("job"))
    def linked_job(self, row: Any) -> str:
        if not row.job:
            return "–"
        if not row.job_is_there:
            return f"#{row.job}"
        return format_html('<a href="{}">#{}</a>', reverse("admin:media_catalog_job_change", args=[row.job]), row.job)
