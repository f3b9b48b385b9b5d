"""The admin site: the only door that staff use."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

# The carrier's own pages show what it delivered, not what our jobs mean; jobs have pages of their own.
HIDDEN_APPS = frozenset({"django_q"})
# By use, not by alphabet. What is not named comes after.
APP_ORDER = ["media_catalog", "auth"]
MODEL_ORDER = [
    "Image",
    "StoredFile",
    "Face",
    "Job",
    "Bucket",
    "Finding",
    "TrashedObject",
    "Preset",
    "ScheduleRun",
    "RequestUsage",
    "RequestLimit",
    "LimitOverride",
    "ApiToken",
    "AuditEvent",
]


class BackofficeSite(AdminSite):
    site_header = _("Media back office")
    site_title = _("Media back office")
    index_title = _("Overview")
    site_url = None

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        apps = [app for app in super().get_app_list(request, app_label) if app["app_label"] not in HIDDEN_APPS]
        for app in apps:
            app["models"].sort(key=lambda model: _place(MODEL_ORDER, model["object_name"]))
        return sorted(apps, key=lambda app: _place(APP_ORDER, app["app_label"]))


def _place(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
