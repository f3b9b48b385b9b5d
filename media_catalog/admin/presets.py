"""Presets: how renditions are made."""

from django.contrib import admin
from django.db.models import F
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from media_catalog.models import Preset

from .base import BackofficeAdmin


@admin.register(Preset)
class PresetAdmin(BackofficeAdmin):
    list_display = ["name", "slug", "box", "mode", "allow_upscale", "format", "quality", "active", "version"]
    list_filter = ["active", "mode"]
    readonly_fields = ["version"]
    fields = ["name", "slug", "width", "height", "mode", "allow_upscale", "format", "quality", "active", "version"]

    @admin.display(description=_("box"))
    def box(self, preset: Preset) -> str:
        return f"{preset.width or '…'} × {preset.height or '…'}"

    def get_readonly_fields(self, request: HttpRequest, obj: Preset | None = None) -> list[str]:
        """The slug is part of object keys, so it stays."""
        return [*self.readonly_fields, "slug"] if obj else list(self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Preset, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and set(form.changed_data) & set(Preset.PIXEL_FIELDS):
            Preset.objects.filter(pk=obj.pk).update(version=F("version") + 1)
