"""The admin site: the only door that staff use."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

# The carrier's own pages show what it delivered, not what our jobs mean; jobs have pages of their own.
HIDDEN_APPS = frozenset({"django_q"})
APP_ORDER = ["media_catalog", "auth"]


class BackofficeSite(AdminSite):
    site_header = _("Media back office")
    site_title = _("Media back office")
    index_title = _("Overview")
    site_url = None

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        apps = [app for app in super().get_app_list(request, app_label) if app["app_label"] not in HIDDEN_APPS]
        return sorted(apps, key=lambda app: APP_ORDER.index(app["app_label"]) if app["app_label"] in APP_ORDER else 99)
