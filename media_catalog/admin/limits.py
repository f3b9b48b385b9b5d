"""Request limits: the figures that the meter keeps."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from media_catalog.models import RequestClass, RequestLimit

from .base import BackofficeAdmin


@admin.register(RequestLimit)
class RequestLimitAdmin(BackofficeAdmin):
    list_display = ["request_class", "limit", "source", "source_date"]
    fields = ["request_class", "limit", "source", "source_date"]

    def get_readonly_fields(self, request: HttpRequest, obj: RequestLimit | None = None) -> list[str]:
        return ["request_class"] if obj else []

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without what is free: a limit on DELETE would save nothing and block removals."""
        if db_field.name == "request_class":
            offered = db_field.get_choices()
            kwargs["choices"] = [(value, label) for value, label in offered if value != RequestClass.FREE]
        return super().formfield_for_choice_field(db_field, request, **kwargs)
