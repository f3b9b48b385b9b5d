"""Request limits: the figures that the meter keeps."""

from django.contrib import admin
from django.http import HttpRequest

from media_catalog.models import RequestLimit


@admin.register(RequestLimit)
class RequestLimitAdmin(admin.ModelAdmin):
    list_display = ["request_class", "limit", "source", "source_date"]
    fields = ["request_class", "limit", "source", "source_date"]

    def get_readonly_fields(self, request: HttpRequest, obj: RequestLimit | None = None) -> list[str]:
        return ["request_class"] if obj else []
