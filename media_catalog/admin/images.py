"""Images: the list, the change page with its annotated preview, and the ways to their bytes."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from media_catalog.exceptions import BackofficeError, ObjectRefused
from media_catalog.models import Analysis, Image, JobItem, Rendition
from media_catalog.services import annotation, downloads, names
from media_catalog.services.sentences import accepted_formats, sentence

from . import bulk, direct, layout, named_upload, pictures, renditions, shelves, upload
from .base import BackofficeAdmin, OfferedFilter, save_changed
from .states import PresenceFilter, StateFilter, describe


class FormatFilter(OfferedFilter):
    title = gettext_lazy("type")
    parameter_name = "format"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, accepted_formats((name,))) for name in settings.IMAGE_FORMATS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        return queryset.filter(format=self.value()) if self.value() else queryset


class ImageForm(forms.ModelForm):
    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            names.check(self.instance.bucket, name, Image, but=self.instance.pk)
        except ObjectRefused as refused:
            raise forms.ValidationError(sentence(refused)) from refused
        return name


@admin.register(Image)
class ImageAdmin(BackofficeAdmin):
    list_display = ["thumbnail", "linked_key", "bucket", "state", "face_count", "pixels", "bytes", "created_at"]
    list_display_links = None
    list_filter = [
        StateFilter,
        PresenceFilter,
        ("bucket", admin.RelatedOnlyFieldListFilter),
        FormatFilter,
        renditions.RenditionsFilter,
        "created_at",
    ]
    list_select_related = ["bucket", "analysis"]
    list_per_page = 50
    list_max_show_all = 500
    show_full_result_count = False
    search_fields = ["key", "name", "caption"]
    search_help_text = gettext_lazy("Key, name or caption")
    actions = ["make_renditions", "detect_faces", "remove"]
    form = ImageForm
    fields = ["name", "caption", "exempt"]
    change_list_template = "admin/media_catalog/images.html"
    change_form_template = "admin/media_catalog/image.html"

    # Permissions that the actions name, by Django's convention: has_<permission>_permission.
    def has_make_renditions_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media_catalog.make_renditions_image")

    def has_detect_faces_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media_catalog.detect_faces_image")

    def get_readonly_fields(self, request: HttpRequest, obj: Image | None = None) -> list[str]:
        return [] if request.user.has_perm("media_catalog.exempt_image") else ["exempt"]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Where the list shows a bucket whose rule is in force: when they go, instead of the bucket."""
        bucket = shelves.bucket_of(request)
        if not bucket or not bucket.retains:
            return self.list_display
        return ["expires" if name == "bucket" else name for name in self.list_display]

    def has_delete_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        """Not of an image under legal hold."""
        return super().has_delete_permission(request, obj) and not (obj and obj.bucket.legal_hold)

    @admin.action(description=gettext_lazy("Make renditions…"), permissions=["make_renditions"])
    def make_renditions(self, request: HttpRequest, images: QuerySet[Image]) -> HttpResponse:
        return bulk.confirm_or_start(self, request, images, bulk.MAKE_RENDITIONS)

    @admin.action(description=gettext_lazy("Detect faces…"), permissions=["detect_faces"])
    def detect_faces(self, request: HttpRequest, images: QuerySet[Image]) -> HttpResponse:
        return bulk.confirm_or_start(self, request, images, bulk.DETECT_FACES)

    @admin.action(description=gettext_lazy("Move to trash…"), permissions=["delete"])
    def remove(self, request: HttpRequest, images: QuerySet[Image]) -> HttpResponse:
        return bulk.confirm_or_start(self, request, images, bulk.REMOVE_IMAGES)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Django's own deletion would leave the objects behind."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        """Without the detector's answers as received: kilobytes for each row."""
        return Image.objects.with_queued().defer("analysis__raw_response")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Thumbnails for the rows of the page alone."""
        changelist = super().get_changelist_instance(request)
        if isinstance(changelist.result_list, QuerySet):
            changelist.result_list = changelist.result_list.with_renditions()  # type: ignore[attr-defined]
            shelves.mark_going(request, changelist.result_list)
            layout.mark(request, changelist.result_list)
        return changelist

    @admin.display(description=gettext_lazy("preview"))
    def thumbnail(self, image: Image) -> str:
        return format_html('<a href="{}">{}</a>', _url(image), pictures.thumbnail(image, layout=image.layout))  # type: ignore[attr-defined]  # marked

    @admin.display(description=gettext_lazy("key"), ordering="key")
    def linked_key(self, image: Image) -> str:
        """With its name, where that is one of its own."""
        if not image.unique_name:
            return format_html('<a href="{}">{}</a>', _url(image), image.key)
        words = '<a href="{}">{}</a><br><span class="bo-quiet">{}</span>'
        return format_html(words, _url(image), image.name, image.key)

    @admin.display(description=gettext_lazy("state"))
    def state(self, image: Image) -> str:
        state = describe(image)
        tags = [(state.css, state.short)]
        if image.missing_since:
            tags.insert(0, ("failed", _("Missing at S3")))
        shown = format_html_join(" ", '<span class="bo-tag bo-{}">{}</span>', tags)
        return format_html("{} {}", shown, pictures.animated_tag(image))

    @admin.display(description=gettext_lazy("faces"), ordering="analysis__face_count", empty_value="–")
    def face_count(self, image: Image) -> int | None:
        analysis = getattr(image, "analysis", None)
        return analysis.face_count if analysis and analysis.state != Analysis.State.FAILED else None

    @admin.display(description=gettext_lazy("pixels"))
    def pixels(self, image: Image) -> str:
        return f"{image.width} × {image.height}"

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def bytes(self, image: Image) -> str:
        return filesizeformat(image.size)

    @admin.display(description=gettext_lazy("expires"))
    def expires(self, image: Image) -> str:
        return shelves.expires(image)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        preview = view(self.preview, cacheable=True)  # else all of the admin is no-store
        return [
            path("<int:pk>/preview/<slug:slug>/", preview, name="media_catalog_image_preview"),
            path("<int:pk>/original/", view(self.original), name="media_catalog_image_original"),
            path("<int:pk>/rendition/<slug:slug>/", view(self.rendition), name="media_catalog_image_rendition"),
            *renditions.urls(self),
            path("layout/", view(require_POST(layout.choose)), name="media_catalog_image_layout"),
            *direct.urls(self),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"layout": layout.chosen(request), **shelves.context(self, request)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Not Django's: that one runs in a transaction, where no AWS request may be made."""
        if bucket := named_upload.bucket_of(request):
            return named_upload.upload_view(self, request, bucket)
        return upload.upload_view(self, request)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Removal has its own confirmation, reached from the change page: it takes the objects along."""
        return redirect(reverse("admin:media_catalog_image_change", args=[object_id]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        image = self.get_object(request, object_id)
        context = {**self._shown(request, image), **(extra_context or {})} if image else extra_context
        try:
            return super().change_view(request, object_id, form_url, context)
        except IntegrityError:  # of two changes at the same moment, both to a name that was free
            messages.error(request, sentence(ObjectRefused("name_taken")))
            return redirect(reverse("admin:media_catalog_image_change", args=[object_id]))
        except ObjectRefused as refused:
            messages.error(request, sentence(refused))
            return redirect(reverse("admin:media_catalog_image_changelist"))

    def save_model(self, request: HttpRequest, obj: Image, form: forms.ModelForm, change: bool) -> None:
        save_changed(obj, form)

    def preview(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        try:
            return pictures.serve(request, self._rendition(request, pk, slug))
        except BackofficeError as error:
            return pictures.refusal(sentence(error), status=503)

    def rendition(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """The main rendition stands in for one that is not there yet."""
        rendition = renditions.find(pk, slug)
        if rendition is None:
            raise Http404
        if not self.has_view_permission(request, rendition.image):
            raise PermissionDenied
        return self._go(request, pk, lambda: downloads.rendition_link(rendition=rendition))

    def original(self, request: HttpRequest, pk: int) -> HttpResponse:
        image = get_object_or_404(Image.objects.select_related("bucket"), pk=pk)
        if not self.has_view_permission(request, image):
            raise PermissionDenied
        return self._go(request, pk, lambda: downloads.original_link(image=image))

    def _go(self, request: HttpRequest, pk: int, link: Any) -> HttpResponse:
        try:
            return redirect(link())
        except BackofficeError as error:
            messages.error(request, sentence(error))
            return redirect(reverse("admin:media_catalog_image_change", args=[pk]))

    def _rendition(self, request: HttpRequest, pk: int, slug: str) -> Rendition:
        shown = Rendition.objects.filter(image__trashed_at=None).select_related("bucket", "image")
        rendition = get_object_or_404(shown, image=pk, preset__slug=slug)
        if not self.has_view_permission(request, rendition.image):
            raise PermissionDenied
        return rendition

    def _shown(self, request: HttpRequest, image: Image) -> dict[str, Any]:
        """What the change page shows beside the form."""
        analysis = getattr(image, "analysis", None)
        faces = list(analysis.faces.all()) if analysis else []
        return {
            "image": image,
            "animated": pictures.animated_tag(image),
            "state": describe(image),
            "analysis": analysis,
            "faces": faces,
            "boxes": annotation.boxes(image, faces),
            "ages_reported": any(face.age_low is not None for face in faces),
            "picture": pictures.annotated(image),
            "renditions": renditions.rows(image),
            "recent_items": JobItem.objects.filter(image=image).select_related("job").order_by("-pk")[:5],
            "may_make_renditions": self.has_make_renditions_permission(request),
            "may_detect_faces": self.has_detect_faces_permission(request),
            "may_remove": self.has_delete_permission(request, image),
            "show_delete": False,
        }


def _url(image: Image) -> str:
    return reverse("admin:media_catalog_image_change", args=[image.pk])
