"""The trash: what was deleted, by whom, until when it can come back; restoring and purging."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from media_catalog.models import TrashedObject
from media_catalog.models.trash import TrashedQuerySet
from media_catalog.services.object_keys import visible
from media_catalog.services.trash_objects import AT_ONCE

from . import trash_actions
from .base import OfferedFilter, ReadOnlyAdmin
from .history import staff

CSS = {
    TrashedObject.State.MOVING: "queued",
    TrashedObject.State.TRASHED: "none",
    TrashedObject.State.RESTORING: "queued",
    TrashedObject.State.PURGING: "queued",
}


class WhatFilter(OfferedFilter):
    title = gettext_lazy("what")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("image", gettext_lazy("Images")),
            ("file", gettext_lazy("Files")),
            ("object", gettext_lazy("Other objects")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrashedObject]) -> QuerySet[TrashedObject]:
        what = self.value()
        if what == "object":
            return queryset.filter(image=None, file=None)
        return queryset.exclude(**{what: None}) if what else queryset


class StateFilter(OfferedFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("moving", gettext_lazy("On their way")), ("problem", gettext_lazy("With a problem"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrashedObject]) -> QuerySet[TrashedObject]:
        if self.value() == "moving":
            return queryset.filter(state__in=TrashedObject.UNDER_WAY)
        return queryset.exclude(problem="") if self.value() == "problem" else queryset


@admin.register(TrashedObject)
class TrashedObjectAdmin(ReadOnlyAdmin):
    list_display = ["shown_key", "bucket", "bytes", "trashed_at", "trashed_by_name", "purged", "shown_state"]
    list_display_links = None
    list_filter = [WhatFilter, StateFilter, ("bucket", admin.RelatedOnlyFieldListFilter), "trashed_at"]
    list_select_related = ["bucket"]
    list_per_page = 50
    list_max_show_all = 500
    show_full_result_count = False
    search_fields = ["key", "name", "trashed_by_name"]
    search_help_text = gettext_lazy("Key, name or who moved it")
    actions = ["restore", "purge"]
    change_list_template = "admin/media_catalog/trash.html"

    # Permissions that the actions name, by Django's convention: has_<permission>_permission.
    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(trash_actions.RESTORE.permission)

    def has_purge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(trash_actions.PURGE.permission)

    def get_queryset(self, request: HttpRequest) -> TrashedQuerySet:
        return TrashedObject.objects.listed()

    @admin.action(description=gettext_lazy("Restore…"), permissions=["restore"])
    def restore(self, request: HttpRequest, rows: TrashedQuerySet) -> HttpResponse:
        return self._confirm(request, rows, trash_actions.RESTORE)

    @admin.action(description=gettext_lazy("Purge now…"), permissions=["purge"])
    def purge(self, request: HttpRequest, rows: TrashedQuerySet) -> HttpResponse:
        return self._confirm(request, rows, trash_actions.PURGE)

    def get_urls(self) -> list[URLPattern]:
        undo = self.admin_site.admin_view(require_POST(self.undo))
        return [path("undo/", undo, name="media_catalog_trashedobject_undo"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(
            request, {"may_purge": self.has_purge_permission(request), **(extra_context or {})}
        )

    def undo(self, request: HttpRequest) -> HttpResponse:
        """Of one deletion from a page, by the mark that it left. Who may not restore has it for what is their own."""
        run, back = request.POST.get("run", "").replace("\x00", ""), trash_actions.safe_back(request)
        rows = TrashedObject.objects.filter(run=run) if run else TrashedObject.objects.none()
        if not self.has_restore_permission(request):
            rows = rows.filter(trashed_by=staff(request))
            if not 0 < rows.count() <= AT_ONCE:
                raise PermissionDenied
        return trash_actions.undo(self, request, rows, fields=[("run", run), ("next", back)], back=back)

    @admin.display(description=gettext_lazy("key"), ordering="key")
    def shown_key(self, row: TrashedObject) -> str:
        words = visible(row.key)
        if row.image_id and not row.key.endswith(row.name):
            return format_html('{} <span class="bo-quiet">{}</span>', words, row.name)
        return words

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def bytes(self, row: TrashedObject) -> str:
        return filesizeformat(row.size)

    @admin.display(description=gettext_lazy("purged"), ordering="purge_at")
    def purged(self, row: TrashedObject) -> str:
        if row.purge_at is None:
            return _("never by itself")
        return _("after %(date)s") % {"date": date_format(localtime(row.purge_at))}

    @admin.display(description=gettext_lazy("state"))
    def shown_state(self, row: TrashedObject) -> str:
        css = "failed" if row.problem else CSS[TrashedObject.State(row.state)]
        tag = format_html('<span class="bo-tag bo-{}">{}</span>', css, row.get_state_display())
        return format_html("{} {}", tag, row.problem) if row.problem else tag

    def _confirm(self, request: HttpRequest, rows: TrashedQuerySet, action: trash_actions.TrashAction) -> HttpResponse:
        given = [(name, request.POST[name]) for name in ("action", "select_across") if name in request.POST]
        fields = given + [(ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]
        back = f"{reverse('admin:media_catalog_trashedobject_changelist')}?{request.GET.urlencode()}"
        return trash_actions.confirm_or_start(self, request, rows, action, fields=fields, back=back)
