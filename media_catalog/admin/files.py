"""Files of any type: the list, their pages, and the way to their bytes, as attachments only."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.exceptions import BackofficeError, ObjectRefused
from media_catalog.models import StoredFile
from media_catalog.services import files, keys, object_keys
from media_catalog.services.sentences import sentence

from . import file_removal, file_upload, shelves
from .base import BackofficeAdmin, save_changed
from .bucket_pages import may
from .streaming import hand_out


@admin.register(StoredFile)
class FileAdmin(BackofficeAdmin):
    list_display = [
        "shown_name",
        "description",
        "bytes",
        "created_at",
        "expires",
        "download_link",
        "uploaded_by",
        "bucket",
    ]
    list_display_links = ["shown_name"]
    list_filter = [("bucket", admin.RelatedOnlyFieldListFilter), "exempt", "created_at"]
    list_select_related = ["bucket", "uploaded_by"]
    list_per_page = 50
    list_max_show_all = 500
    show_full_result_count = False
    search_fields = ["name", "description", "key"]
    search_help_text = gettext_lazy("Name, description or key")
    actions = ["remove"]
    fields = ["description", "exempt"]
    change_list_template = "admin/media_catalog/files.html"
    change_form_template = "admin/media_catalog/file.html"

    def has_delete_permission(self, request: HttpRequest, obj: StoredFile | None = None) -> bool:
        """Not of a file under legal hold."""
        return super().has_delete_permission(request, obj) and not (obj and obj.bucket.legal_hold)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Without the bucket where the list shows one."""
        return [name for name in self.list_display if name != "bucket" or not shelves.bucket_of(request)]

    def get_readonly_fields(self, request: HttpRequest, obj: StoredFile | None = None) -> list[str]:
        return [] if may(request, "exempt_storedfile") else ["exempt"]

    @admin.action(description=gettext_lazy("Move to trash…"), permissions=["delete"])
    def remove(self, request: HttpRequest, chosen: QuerySet[StoredFile]) -> HttpResponse:
        return file_removal.confirm_or_remove(self, request, chosen)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Django's own deletion would leave the objects behind."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredFile]:
        return StoredFile.objects.select_related("bucket")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = list(changelist.result_list)  # the rows of the page
        shelves.mark_going(request, changelist.result_list)
        return changelist

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, file: StoredFile) -> str:
        return object_keys.visible(file.name)

    @admin.display(description=gettext_lazy("size and type"), ordering="size")
    def bytes(self, file: StoredFile) -> str:
        ending = keys.clean_extension(file.name).upper() or file.content_type
        return format_html('{} <span title="{}">{}</span>', filesizeformat(file.size), file.content_type, ending)

    @admin.display(description=gettext_lazy("expires"))
    def expires(self, file: StoredFile) -> str:
        return shelves.expires(file)

    @admin.display(description=gettext_lazy("download"))
    def download_link(self, file: StoredFile) -> str:
        address = reverse("admin:media_catalog_storedfile_download", args=[file.pk])
        label = _("Download %(name)s") % {"name": object_keys.visible(file.name)}
        return format_html('<a href="{}" aria-label="{}">{}</a>', address, label, _("Download"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/download/", view(self.download), name="media_catalog_storedfile_download"),
            path("last/", view(self.last), name="media_catalog_storedfile_last"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "last": _last(request),
            "last_url": f"{reverse('admin:media_catalog_storedfile_last')}?{_shelf_query(request)}",
            **shelves.context(self, request),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Not Django's: that one runs in a transaction, where no AWS request may be made."""
        return file_upload.upload_view(self, request)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The way to the trash has its own confirmation, reached from the change page: the object goes along."""
        return redirect(reverse("admin:media_catalog_storedfile_change", args=[object_id]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        file = self.get_object(request, object_id)
        shown = (
            {
                "file": file,
                "visible_name": object_keys.visible(file.name),
                "may_remove": self.has_delete_permission(request, file),
                "show_delete": False,
            }
            if file
            else {}
        )
        try:
            return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})
        except ObjectRefused as refused:
            messages.error(request, sentence(refused))
            return redirect(reverse("admin:media_catalog_storedfile_changelist"))

    def save_model(self, request: HttpRequest, obj: StoredFile, form: forms.ModelForm, change: bool) -> None:
        save_changed(obj, form)

    def last(self, request: HttpRequest) -> HttpResponseBase:
        """The file that came last, of the bucket that the address names or of all."""
        file = _last(request)
        if file is None:
            raise Http404
        return self.download(request, file.pk)

    def download(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Through here and not by a link, as S3 sends no `nosniff`; saved and never shown by the browser."""
        file = get_object_or_404(StoredFile.objects.select_related("bucket"), pk=pk)
        if not self.has_view_permission(request, file):
            raise PermissionDenied
        try:
            answer = hand_out(file.bucket, file.key, disposition=files.disposition(file))
        except BackofficeError as error:
            messages.error(request, sentence(error))
        else:
            if answer:
                return answer
            messages.error(request, _("The object no longer exists at S3."))
        return redirect(reverse("admin:media_catalog_storedfile_change", args=[pk]))


def _last(request: HttpRequest) -> StoredFile | None:
    found = StoredFile.objects.order_by("-created_at", "-pk")
    bucket = shelves.bucket_of(request)
    return (found.filter(bucket=bucket) if bucket else found).first()


def _shelf_query(request: HttpRequest) -> str:
    bucket = shelves.bucket_of(request)
    return f"{shelves.FILTER}={bucket.pk}" if bucket else ""
