"""Presets: how renditions are made."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from media_catalog.models import Preset

from .base import BackofficeAdmin


@admin.register(Preset)
class PresetAdmin(BackofficeAdmin):
    list_display = ["name", "slug", "box", "mode", "format", "quality", "in_request", "active", "version", "stale"]
    list_filter = ["active", "mode"]
    readonly_fields = ["version", "stale"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "active", "in_request"]}),
        (_("Size"), {"fields": ["width", "height", "mode", "allow_upscale"]}),
        (_("File"), {"fields": ["format", "quality", "background", "blur"]}),
        (_("Renditions"), {"fields": ["version", "stale"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Preset]:
        """With how many renditions there are, and how many of them are of the image and the preset as they are now."""
        current = Q(renditions__source_etag=F("renditions__image__etag"), renditions__preset_version=F("version"))
        return Preset.objects.annotate(made=Count("renditions"), current=Count("renditions", filter=current))

    @admin.display(description=_("stale renditions"))
    def stale(self, preset: Any) -> str:
        """With the way to the images that have them, where Make renditions… regenerates them at a known cost."""
        count = preset.made - preset.current if preset.active and preset.pk else 0
        if not count:
            return "–"
        url = reverse("admin:media_catalog_image_changelist") + "?renditions=stale"
        words = gettext("%(stale)s of %(made)s, regenerate…") % {
            "stale": number_format(count, force_grouping=True),
            "made": number_format(preset.made, force_grouping=True),
        }
        return format_html('<a href="{}">{}</a>', url, words)

    @admin.display(description=_("box"))
    def box(self, preset: Preset) -> str:
        return f"{preset.width or '…'} × {preset.height or '…'}"

    def get_readonly_fields(self, request: HttpRequest, obj: Preset | None = None) -> list[str]:
        """The slug is part of object keys, so it stays."""
        return ["version", "stale", "slug"] if obj else ["version", "stale"]

    def save_model(self, request: HttpRequest, obj: Preset, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and set(form.changed_data) & set(Preset.PIXEL_FIELDS):
            Preset.objects.filter(pk=obj.pk).update(version=F("version") + 1)
