"""Buckets as S3 has them."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from media_catalog import jobs
from media_catalog.exceptions import QuotaShort
from media_catalog.models import Bucket
from media_catalog.services.sentences import sentence

from .base import BackofficeAdmin
from .history import refused_by_quota, staff


@admin.register(Bucket)
class BucketAdmin(BackofficeAdmin):
    """Rows come from S3; the legal hold is set here."""

    list_display = ["name", "role", "region", "image_count", "renditions_bucket", "state", "synced_at"]
    list_filter = ["role", "legal_hold"]
    list_select_related = ["renditions_bucket"]
    search_fields = ["name"]
    change_list_template = "admin/media_catalog/buckets.html"
    readonly_fields = [
        "name",
        "role",
        "region",
        "renditions_bucket",
        "image_count",
        "created_at",
        "synced_at",
        "missing_since",
    ]
    fields = [*readonly_fields, "legal_hold"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bucket]:
        return Bucket.objects.annotate(images_in_it=Count("images"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Bucket | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Bucket, form: forms.ModelForm, change: bool) -> None:
        """What the form changes and no more: a synchronisation may write the rest meanwhile."""
        obj.save(update_fields=form.changed_data)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.sync))
        return [path("sync/", view, name="media_catalog_bucket_sync"), *super().get_urls()]

    @admin.display(description=gettext_lazy("images"), ordering="images_in_it")
    def image_count(self, bucket: Bucket) -> int:
        return bucket.images_in_it  # type: ignore[attr-defined, no-any-return]

    @admin.display(description=gettext_lazy("state"))
    def state(self, bucket: Bucket) -> str:
        tags = [("failed", _("Missing at S3")) if bucket.missing_since else ("done", _("Present"))]
        if bucket.legal_hold:
            tags.append(("skipped", _("Legal hold")))
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
        may_sync = request.user.has_perm("media_catalog.sync_bucket")
        return super().changelist_view(request, {**(extra_context or {}), "may_sync": may_sync})
