"""Face metadata, read and exported."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters, get_content_type_for_model
from django.contrib.admin.views.main import ERROR_FLAG
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from import_export import fields, resources, widgets
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV

from media_catalog.models import Face

from .base import OfferedFilter, ReadOnlyAdmin
from .history import staff
from .spreadsheets import safe_text


class SafeText(widgets.CharWidget):
    """Text that no spreadsheet takes for a formula."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return safe_text(str(super().render(value, obj, **kwargs) or ""))


def _column(attribute: str, name: str, widget: widgets.Widget | None = None) -> fields.Field:
    return fields.Field(attribute=attribute, column_name=name, widget=widget)


class FaceResource(resources.ModelResource):
    """One row for each face. Numbers stay numbers (a ratio may be negative), so only texts are escaped."""

    image_key = _column("analysis__image__key", "image key", SafeText())
    bucket = _column("analysis__image__bucket__name", "bucket", SafeText())
    number = _column("number", "face number", widgets.IntegerWidget())
    left = _column("left", "left", widgets.NumberWidget())
    top = _column("top", "top", widgets.NumberWidget())
    width = _column("width", "width", widgets.NumberWidget())
    height = _column("height", "height", widgets.NumberWidget())
    age_low = _column("age_low", "age low", widgets.IntegerWidget())
    age_high = _column("age_high", "age high", widgets.IntegerWidget())
    confidence = _column("confidence", "confidence", widgets.NumberWidget())
    detector = _column("analysis__detector", "detector", SafeText())
    detector_version = _column("analysis__detector_version", "detector version", SafeText())
    analysed_at = _column("analysis__analysed_at", "analysed at", widgets.DateTimeWidget("%Y-%m-%dT%H:%M:%S%z"))

    class Meta:
        model = Face
        fields = (
            "image_key",
            "bucket",
            "number",
            "left",
            "top",
            "width",
            "height",
            "age_low",
            "age_high",
            "confidence",
            "detector",
            "detector_version",
            "analysed_at",
        )
        export_order = fields


class ConfidenceFilter(OfferedFilter):
    title = gettext_lazy("confidence")
    parameter_name = "confidence"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("99", gettext_lazy("99 % and more")),
            ("90", gettext_lazy("90 to 99 %")),
            ("0", gettext_lazy("below 90 %")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Face]) -> QuerySet[Face]:
        ranges = {"99": (99.0, 101.0), "90": (90.0, 99.0), "0": (0.0, 90.0)}
        value = self.value()
        if value is None:
            return queryset
        low, high = ranges[value]
        return queryset.filter(confidence__gte=low, confidence__lt=high)


@admin.register(Face)
class FaceAdmin(ExportMixin, ReadOnlyAdmin):
    list_display = ["image", "number", "ages", "percent", "box", "detector", "analysed_at"]
    list_display_links = None
    list_select_related = ["analysis__image__bucket"]
    list_filter = [
        ("analysis__image__bucket", admin.RelatedOnlyFieldListFilter),
        ConfidenceFilter,
        "analysis__analysed_at",
    ]
    search_fields = ["analysis__image__key"]
    show_full_result_count = False
    resource_classes = [FaceResource]
    formats = [CSV]
    skip_export_form = True  # one format, all columns: nothing to ask

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media_catalog.export_face")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Face]:
        """Of images outside of the trash; without the answers as received: kilobytes a row, and shown nowhere."""
        return Face.objects.filter(analysis__image__trashed_at=None).defer("attributes", "analysis__raw_response")

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """Odd filters lead to the list, as Django's own do: they must not become an export of everything."""
        try:
            return super().export_action(request)
        except IncorrectLookupParameters:
            return redirect(f"{reverse('admin:media_catalog_face_changelist')}?{ERROR_FLAG}=1")

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: QuerySet[Face], **kwargs: Any) -> Any:
        """The file, with a history entry of who took it: face metadata is personal data."""
        count = queryset.count()
        LogEntry.objects.create(
            user_id=staff(request).pk,
            content_type_id=get_content_type_for_model(Face).pk,
            object_repr=_("CSV export"),
            action_flag=CHANGE,
            change_message=ngettext("Exported %(count)d face.", "Exported %(count)d faces.", count) % {"count": count},
        )
        return super().get_export_data(file_format, request, queryset, **kwargs)

    @admin.display(description=gettext_lazy("image"), ordering="analysis__image__key")
    def image(self, face: Face) -> str:
        image = face.analysis.image
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:media_catalog_image_change", args=[image.pk]), image.key
        )

    @admin.display(description=gettext_lazy("age range"), ordering="age_low")
    def ages(self, face: Face) -> str:
        return _("not reported") if face.age_low is None else f"{face.age_low}–{face.age_high}"

    @admin.display(description=gettext_lazy("confidence"), ordering="confidence")
    def percent(self, face: Face) -> str:
        return f"{face.confidence:.4f} %"

    @admin.display(description=gettext_lazy("box (left, top, width, height)"))
    def box(self, face: Face) -> str:
        return f"{face.left:.4f}, {face.top:.4f}, {face.width:.4f}, {face.height:.4f}"

    @admin.display(description=gettext_lazy("detector"), ordering="analysis__detector")
    def detector(self, face: Face) -> str:
        return f"{face.analysis.detector} {face.analysis.detector_version}"

    @admin.display(description=gettext_lazy("analysed at"), ordering="analysis__analysed_at")
    def analysed_at(self, face: Face) -> Any:
        return face.analysis.analysed_at
