"""Findings: what buckets and catalogue do not agree about, and what staff do about it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.models import Bucket, Finding
from media_catalog.services.object_keys import visible

from . import finding_actions
from .base import OfferedFilter, ReadOnlyAdmin
from .bucket_pages import may, url

State = Finding.State
COLOURS = {
    State.ONCE: "none",
    State.OPEN: "failed",
    State.DISMISSED: "skipped",
    State.RESOLVED: "done",
    State.GONE: "skipped",
}

EVIDENCE = {
    "etag": "ETag",
    "size": gettext_lazy("Size"),
    "modified": gettext_lazy("Modified"),
    "storage_class": gettext_lazy("Storage"),
    "row": gettext_lazy("Row of"),
    "id": gettext_lazy("Its number"),
    "channel": gettext_lazy("Channel"),
    "created": gettext_lazy("Begun"),
    "expires": gettext_lazy("Form expired"),
    "tries": gettext_lazy("Tries of the sweep"),
    "error": gettext_lazy("Error"),
}


class StateFilter(OfferedFilter):
    """Open ones without a choice: what is over is history."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*State.choices, ("all", gettext_lazy("All"))]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": gettext_lazy("Open and seen once")}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        if self.value() == "all":
            return queryset
        return queryset.filter(state__in=[self.value()] if self.value() else [State.ONCE, State.OPEN])


class BucketFilter(OfferedFilter):
    title = gettext_lazy("bucket")
    parameter_name = "bucket__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = Bucket.objects.filter(findings__isnull=False).distinct().values_list("pk", "name")
        return [(str(pk), name) for pk, name in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        value = self.value()
        return queryset.filter(bucket=int(value)) if value else queryset


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    list_display = ["linked_key", "kind", "bucket", "state_tag", "seen", "last_seen_at", "outcome"]
    list_display_links = None
    list_filter = [StateFilter, "kind", BucketFilter]
    list_select_related = ["bucket"]
    list_per_page = 100
    list_max_show_all = 500
    show_full_result_count = False
    search_fields = ["key"]
    search_help_text = gettext_lazy("Key")
    actions = ["adopt", "recreate", "quarantine", "restore", "delete", "dismiss", "reopen"]
    change_list_template = "admin/media_catalog/findings.html"
    change_form_template = "admin/media_catalog/finding.html"
    fields = [
        "kind",
        "bucket",
        "visible_key",
        "state_tag",
        "seen",
        "first_seen_at",
        "last_seen_at",
        "action",
        "acted_by",
        "acted_at",
        "result",
    ]
    readonly_fields = ["visible_key", "state_tag", "seen"]

    # Permissions that the actions name, by Django's convention: has_<permission>_permission.
    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return may(request, "resolve_finding")

    def has_adopt_permission(self, request: HttpRequest) -> bool:
        return may(request, "adopt_objects")

    def has_delete_found_permission(self, request: HttpRequest) -> bool:
        return may(request, "delete_found")

    @admin.action(description=gettext_lazy("Adopt…"), permissions=["adopt"])
    def adopt(self, request: HttpRequest, chosen: QuerySet[Finding]) -> HttpResponse | None:
        return finding_actions.confirm_or_start(self, request, chosen, finding_actions.ADOPT)

    @admin.action(description=gettext_lazy("Recreate…"), permissions=["resolve"])
    def recreate(self, request: HttpRequest, chosen: QuerySet[Finding]) -> HttpResponse | None:
        return finding_actions.confirm_or_start(self, request, chosen, finding_actions.RECREATE)

    @admin.action(description=gettext_lazy("Quarantine…"), permissions=["resolve"])
    def quarantine(self, request: HttpRequest, chosen: QuerySet[Finding]) -> HttpResponse | None:
        return finding_actions.confirm_or_start(self, request, chosen, finding_actions.QUARANTINE)

    @admin.action(description=gettext_lazy("Put back from quarantine…"), permissions=["resolve"])
    def restore(self, request: HttpRequest, chosen: QuerySet[Finding]) -> HttpResponse | None:
        return finding_actions.confirm_or_start(self, request, chosen, finding_actions.RESTORE)

    @admin.action(description=gettext_lazy("Delete…"), permissions=["delete_found"])
    def delete(self, request: HttpRequest, chosen: QuerySet[Finding]) -> HttpResponse | None:
        return finding_actions.confirm_or_start(self, request, chosen, finding_actions.DELETE)

    @admin.action(description=gettext_lazy("Dismiss"), permissions=["resolve"])
    def dismiss(self, request: HttpRequest, chosen: QuerySet[Finding]) -> None:
        finding_actions.mark(request, chosen, Finding.Action.DISMISS)

    @admin.action(description=gettext_lazy("Reopen"), permissions=["resolve"])
    def reopen(self, request: HttpRequest, chosen: QuerySet[Finding]) -> None:
        finding_actions.mark(request, chosen, Finding.Action.REOPEN)

    @admin.display(description=gettext_lazy("key"), ordering="key")
    def linked_key(self, finding: Finding) -> str:
        address = reverse("admin:media_catalog_finding_change", args=[finding.pk])
        return format_html('<a href="{}">{}</a>', address, visible(finding.key))

    @admin.display(description=gettext_lazy("key"))
    def visible_key(self, finding: Finding) -> str:
        return visible(finding.key)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_tag(self, finding: Finding) -> str:
        colour = COLOURS[State(finding.state)]
        return format_html('<span class="bo-tag bo-{}">{}</span>', colour, finding.get_state_display())

    @admin.display(description=gettext_lazy("inventories"), ordering="times_seen")
    def seen(self, finding: Finding) -> int:
        return finding.times_seen

    @admin.display(description=gettext_lazy("result"), empty_value="–")
    def outcome(self, finding: Finding) -> str | None:
        return finding.result or None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        finding = self.get_object(request, object_id)
        context = {**_shown(request, finding), **(extra_context or {})} if finding else extra_context
        return super().change_view(request, object_id, form_url, context)


def _shown(request: HttpRequest, finding: Finding) -> dict[str, Any]:
    """What the page of a finding shows beside its fields: the evidence, where it leads, what can be done."""
    return {
        "finding": finding,
        "visible_key": visible(finding.key),
        "evidence": [(EVIDENCE.get(name, name), _worded(name, value)) for name, value in finding.evidence.items()],
        "object_url": url(finding.bucket, "object", key=finding.key) if may(request, "browse_objects") else "",
        "image_url": _image_url(request, finding),
        "actions": finding_actions.offered(request, finding),
        "title": _("Finding"),
    }


def _worded(name: str, value: Any) -> str:
    """A piece of evidence, which is JSON, for people."""
    if name == "size":
        return f"{filesizeformat(value)} ({number_format(value, force_grouping=True)})"
    moment = parse_datetime(value) if name in ("modified", "created", "expires") and value else None
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else str(value)


def _image_url(request: HttpRequest, finding: Finding) -> str:
    if finding.image_id is None or not may(request, "view_image"):
        return ""
    return reverse("admin:media_catalog_image_change", args=[finding.image_id])
