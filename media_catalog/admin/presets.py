"""Presets: how renditions are made."""

from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, F, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from media_catalog import jobs
from media_catalog.models import Image, Preset
from media_catalog.services import presets
from media_catalog.services.renditions import SHOWN

from . import confirmation, preset_delete
from .base import BackofficeAdmin
from .history import staff
from .renditions import has_stale


class PresetForm(forms.ModelForm):
    def clean_slug(self) -> str:
        """Of a new one: later the slug is part of object keys, and stays."""
        slug: str = self.cleaned_data["slug"]
        if presets.is_reserved(slug):
            words = gettext("Keys that begin with “%(slug)s/” are kept for other objects. Choose another slug.")
            raise forms.ValidationError(words % {"slug": slug})
        if presets.has_leftovers(slug):
            words = gettext(
                "Objects of an earlier preset “%(slug)s” are still being deleted. Wait, or choose another slug."
            )
            raise forms.ValidationError(words % {"slug": slug})
        return slug


@admin.register(Preset)
class PresetAdmin(BackofficeAdmin):
    form = PresetForm
    list_display = ["name", "box", "mode", "format", "quality", "in_request", "active", "version", "stale"]
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
        """How many, with the way to the confirmation that regenerates them at a known cost."""
        count = preset.made - preset.current if preset.active and preset.pk else 0
        if not count:
            return "–"
        url = reverse("admin:media_catalog_preset_regenerate", args=[preset.pk])
        words = gettext("%(stale)s of %(made)s, regenerate…") % {
            "stale": number_format(count, force_grouping=True),
            "made": number_format(preset.made, force_grouping=True),
        }
        return format_html('<a href="{}">{}</a>', url, words)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.regenerate)
        return [path("<int:pk>/regenerate/", view, name="media_catalog_preset_regenerate"), *super().get_urls()]

    def regenerate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The confirmation of a job that makes the stale renditions of this preset, and no others."""
        if not request.user.has_perm("media_catalog.make_renditions_image"):
            raise PermissionDenied
        preset = get_object_or_404(Preset, pk=pk)
        stale = Image.objects.filter(has_stale(preset)).order_by("pk")
        ids = list(stale.values_list("pk", flat=True)[: settings.JOB_MAX_ITEMS])
        left_out = stale.count() - len(ids) if len(ids) == settings.JOB_MAX_ITEMS else 0
        options = {"stale_of": preset.pk}
        selection = confirmation.Selection(
            ids=ids,
            kind="make_renditions",
            options=options,
            back=reverse("admin:media_catalog_preset_changelist"),
            back_label=gettext("Presets"),
            left_out=left_out,
            start=partial(
                jobs.start,
                kind="make_renditions",
                user=staff(request),
                images=ids,
                options=options,
                scope=_scope(preset, len(ids), left_out),
            ),
        )
        title = gettext("Regenerate stale renditions of preset %(preset)s") % {"preset": preset}
        asked = confirmation.Question(title=title, button=gettext("Regenerate"))
        return confirmation.confirm_or_start(self, request, selection, asked)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time: what goes with it must be seen."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's own where nothing was made by it and no page needs it."""
        preset: Any = self.get_object(request, unquote(object_id))
        if preset and (preset.made or preset.slug in SHOWN):
            return preset_delete.delete_view(self, request, preset)
        return super().delete_view(request, object_id, extra_context)

    @admin.display(description=_("box"))
    def box(self, preset: Preset) -> str:
        return f"{preset.width or '…'} × {preset.height or '…'}"

    def get_readonly_fields(self, request: HttpRequest, obj: Preset | None = None) -> list[str]:
        """The slug is part of object keys, so it stays."""
        return ["version", "stale", "slug"] if obj else ["version", "stale"]

    def save_model(self, request: HttpRequest, obj: Preset, form: forms.ModelForm, change: bool) -> None:
        """A new version where pixels come out otherwise than by the row as it is at that moment, whoever has changed it
        since it was read.
        """
        if change:
            same = Q(**{name: getattr(obj, name) for name in Preset.PIXEL_FIELDS})
            obj.version = Case(When(same, then=F("version")), default=F("version") + 1)
        obj.save(force_update=change)
        obj.refresh_from_db(fields=["version"])


def _scope(preset: Preset, count: int, left_out: int) -> str:
    words = gettext("Stale renditions of preset %(preset)s") % {"preset": preset}
    if not left_out:
        return words
    shown, total = (number_format(number, force_grouping=True) for number in (count, count + left_out))
    return gettext("%(renditions)s (%(count)s of %(total)s)") % {"renditions": words, "count": shown, "total": total}
