"""A list that shows one bucket: its title, its rule, the way to upload there, and “delete all”."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.urls import reverse

from media_catalog.models import Bucket, Image, StoredFile
from media_catalog.services import retention, retention_words

from .base import number

FILTER = "bucket__id__exact"


def bucket_of(request: HttpRequest) -> Bucket | None:
    """The bucket that the list is filtered by. One query for a request."""
    if not hasattr(request, "_shelf"):
        pk = number(request.GET.get(FILTER, ""))
        request._shelf = Bucket.objects.filter(pk=pk).first() if pk is not None else None  # type: ignore[attr-defined]
    return request._shelf  # type: ignore[attr-defined, no-any-return]


def context(page: ModelAdmin, request: HttpRequest) -> dict[str, Any]:
    """For shelf.html, above the list."""
    bucket = bucket_of(request)
    if bucket is None:
        return {}
    kind = page.opts.model_name
    return {
        "shelf": bucket,
        "shelf_rule": retention_words.rule(bucket) if bucket.retains else "",
        "shelf_upload_url": f"{reverse(f'admin:media_catalog_{kind}_add')}?bucket={bucket.pk}",
        "shelf_may_add": page.has_add_permission(request) and _takes(bucket, kind),
        "shelf_may_delete": page.has_delete_permission(request) and not bucket.legal_hold,
    }


def mark_going(request: HttpRequest, rows: Sequence[Image | StoredFile]) -> None:
    """Set `going` on those that the rule in force removes with its next sweep."""
    bucket = bucket_of(request)
    going: set[int] = set()
    if rows and bucket and bucket.retains:
        due = retention.due(bucket, type(rows[0]))
        going = set(due.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    for row in rows:
        row.going = row.pk in going  # type: ignore[union-attr]


def expires(row: Any) -> str:
    """When the rule removes a row of a list, in words."""
    if getattr(row, "going", False):
        return retention_words.until(row.created_at)  # which is over
    return retention_words.until(row.expires_at)


def _takes(bucket: Bucket, kind: str | None) -> bool:
    offered = Bucket.objects.for_uploads() if kind == Image._meta.model_name else Bucket.objects.for_files()
    return offered.filter(pk=bucket.pk).exists()
