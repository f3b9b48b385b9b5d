"""The history of a bucket that is deleted: the log keeps it under the bucket's number."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from media_catalog.models import Bucket

ENTRIES = 100  # of one page, as Django shows of others
TEMPLATE = "admin/media_catalog/bucket_history.html"


def deleted_view(page: ModelAdmin, request: HttpRequest, pk: str, context: dict[str, Any]) -> HttpResponse | None:
    """None when the log has nothing under this number."""
    kind = ContentType.objects.get_for_model(Bucket)
    entries = LogEntry.objects.filter(content_type=kind, object_id=pk).select_related("user").order_by("action_time")
    last = entries.last()
    if last is None:
        return None
    if not page.has_view_permission(request):
        raise PermissionDenied
    shown = page.get_paginator(request, entries, ENTRIES).get_page(request.GET.get(PAGE_VAR, 1))
    context = {
        **page.admin_site.each_context(request),
        "title": _("Change history: %(name)s (deleted)") % {"name": last.object_repr},
        "action_list": shown,
        "page_range": shown.paginator.get_elided_page_range(shown.number),
        "page_var": PAGE_VAR,
        "pagination_required": shown.paginator.count > ENTRIES,
        "module_name": str(page.opts.verbose_name_plural).capitalize(),
        "object": Bucket(name=last.object_repr),
        "opts": page.opts,
        **context,
    }
    return TemplateResponse(request, TEMPLATE, context)
