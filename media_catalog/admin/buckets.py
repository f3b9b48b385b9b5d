"""Buckets: the list, and the page of each with its health."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from media_catalog import jobs
from media_catalog.exceptions import ObjectRefused, QuotaShort
from media_catalog.models import Bucket
from media_catalog.services import buckets, names, retention_words
from media_catalog.services.sentences import sentence

from . import (
    adoption,
    bucket_create,
    bucket_delete,
    bucket_health,
    bucket_history,
    bucket_jobs,
    bucket_retention,
    bucket_settings,
    inventory,
    object_changes,
    object_details,
    object_transfer,
    objects,
)
from .base import BackofficeAdmin
from .bucket_pages import bound, may, origin_of
from .history import refused_by_quota, staff

VIEWS = {
    "settings": bucket_settings.settings_view,
    "check": bucket_health.check_view,
    "fix": bucket_health.fix_view,
    "inventory": inventory.inventory_view,
    "take_inventory": bucket_jobs.take_view,
    "reconcile": bucket_jobs.reconcile_view,
    "adopt": adoption.adopt_view,
    "delete": bucket_delete.delete_view,
    "retention": bucket_retention.retention_view,
    "retention_preview": bucket_retention.preview_view,
    "objects": objects.objects_view,
    "upload": objects.upload_view,
    "object": object_details.details_view,
    "download": object_details.download_view,
    "picture": object_details.picture_view,
    "copy": object_transfer.transfer_view,
    "remove": object_changes.remove_view,
}


class BucketForm(forms.ModelForm):
    def clean_unique_names(self) -> bool:
        unique: bool = self.cleaned_data["unique_names"]
        if unique and not self.instance.unique_names and not names.are_unique(self.instance):
            raise forms.ValidationError(sentence(ObjectRefused("names_not_unique")))
        return unique


@admin.register(Bucket)
class BucketAdmin(BackofficeAdmin):
    """Rows come from S3. What changes something there has views of its own: Django's run in transactions.

    The form has the rules that only we know of.
    """

    list_display = [
        "name",
        "role",
        "region",
        "objects_counted",
        "bytes_counted",
        "counted_at",
        "image_count",
        "health_level",
        "state",
    ]
    form = BucketForm
    list_filter = ["role", "resize_engine", "legal_hold", "retention_on"]
    search_fields = ["name"]
    change_list_template = "admin/media_catalog/buckets.html"
    change_form_template = "admin/media_catalog/bucket.html"
    object_history_template = bucket_history.TEMPLATE
    readonly_fields = [
        "name",
        "role",
        "region",
        "accepts",
        "renditions_bucket",
        "image_count",
        "created_at",
        "synced_at",
        "missing_since",
    ]
    fields = [
        *readonly_fields,
        ("upload_rule", "rule_width", "rule_height"),
        "resize_engine",
        "unique_names",
        "page_title",
        "legal_hold",
        "inventory_every",
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Bucket | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Bucket, form: forms.ModelForm, change: bool) -> None:
        """What the form changes and no more: a synchronisation may write the rest meanwhile."""
        if "unique_names" in form.changed_data:
            names.set_unique(obj, unique=obj.unique_names)
        buckets.change(obj, form.changed_data)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bucket]:
        return Bucket.objects.annotate(images_in_it=Count("images", filter=Q(images__trashed_at=None)))

    def get_urls(self) -> list[URLPattern]:
        sync = self.admin_site.admin_view(require_POST(self.sync))
        return [
            path("sync/", sync, name="media_catalog_bucket_sync"),
            *(
                path(f"<int:pk>/{name}/", view, name=f"media_catalog_bucket_{name}")
                for name, view in bound(self, VIEWS).items()
            ),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("images"), ordering="images_in_it")
    def image_count(self, bucket: Bucket) -> int:
        return bucket.images_in_it  # type: ignore[attr-defined, no-any-return]

    @admin.display(description=gettext_lazy("objects"), ordering="object_count", empty_value="–")
    def objects_counted(self, bucket: Bucket) -> str | None:
        return None if bucket.object_count is None else number_format(bucket.object_count, force_grouping=True)

    @admin.display(description=gettext_lazy("bytes"), ordering="byte_count", empty_value="–")
    def bytes_counted(self, bucket: Bucket) -> str | None:
        return None if bucket.byte_count is None else filesizeformat(bucket.byte_count)

    @admin.display(description=gettext_lazy("health"))
    def health_level(self, bucket: Bucket) -> str:
        level = bucket_health.worst(bucket)
        css, label = bucket_health.LEVELS[level] if level else ("none", _("Not checked"))
        return format_html('<span class="bo-tag bo-{}">{}</span>', css, label)

    @admin.display(description=gettext_lazy("state"))
    def state(self, bucket: Bucket) -> str:
        tags = [("failed", _("Missing at S3")) if bucket.missing_since else ("done", _("Present"))]
        if bucket.legal_hold:
            tags.append(("skipped", _("Legal hold")))
        if bucket.retention_on:
            tags.append(("queued", _("Retention on")))
        return format_html_join(" ", '<span class="bo-tag bo-{}">{}</span>', tags)

    def sync(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("media_catalog.sync_bucket"):
            raise PermissionDenied
        try:
            job = jobs.start(kind="sync_buckets", user=staff(request), scope=_("All buckets of the account"))
        except QuotaShort as short:
            refused_by_quota(short, "sync_buckets")
            messages.error(request, sentence(short))
            return redirect(reverse("admin:media_catalog_bucket_changelist"))
        messages.success(request, _("Synchronising buckets with S3: one LIST request for each 1,000 buckets."))
        return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        context = {
            "may_sync": may(request, "sync_bucket"),
            "may_add": may(request, "add_bucket"),
            "may_see_audit": may(request, "view_auditevent"),
        }
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return bucket_create.create_view(self, request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        bucket = self.get_object(request, object_id)
        context = {**self._shown(request, bucket), **(extra_context or {})} if bucket else extra_context
        return super().change_view(request, object_id, form_url, context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Of a bucket that is deleted, too."""
        context = {"may_see_audit": may(request, "view_auditevent"), **(extra_context or {})}
        gone = self.get_object(request, object_id) is None
        deleted = bucket_history.deleted_view(self, request, object_id, context) if gone else None
        return deleted or super().history_view(request, object_id, context)

    def _shown(self, request: HttpRequest, bucket: Bucket) -> dict[str, Any]:
        """What the page of a bucket shows beside its fields. No request."""
        may_change = may(request, "change_bucket")
        return {
            "bucket": bucket,
            "health": bucket_health.rows(bucket, origin=origin_of(request), may_fix=may_change),
            "check_cost": bucket_health.cost_of_check(),
            "may_change": may_change,
            "may_browse": may(request, "browse_objects"),
            "may_see_images": may(request, "view_image"),
            "may_see_files": may(request, "view_storedfile") and bucket.accepts == Bucket.Accepts.ANY,
            "rule": retention_words.rule(bucket),
            "may_delete": may(request, "delete_bucket") or may(request, "empty_bucket"),
            **bucket_jobs.inventory_context(request, bucket),
        }
