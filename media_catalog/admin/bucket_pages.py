"""What the pages of a bucket share."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode

from media_catalog.models import Bucket

View = Callable[[ModelAdmin, HttpRequest, Bucket], HttpResponseBase]


def bucket_view(*permissions: str, post_only: bool = False) -> Callable[[View], Callable[..., HttpResponseBase]]:
    """A page of one bucket, for staff with all of these permissions of the catalogue."""

    def decorate(view: View) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def checked(page: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponseBase:
            check_permissions(request, *permissions)
            if post_only and request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            return view(page, request, get_object_or_404(Bucket.objects.select_related("renditions_bucket"), pk=pk))

        return checked

    return decorate


def check_permissions(request: HttpRequest, *permissions: str) -> None:
    if not all(may(request, permission) for permission in permissions):
        raise PermissionDenied


def may(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(f"media_catalog.{permission}")


def url(bucket: Bucket, name: str, **query: str) -> str:
    """The address of a page of the bucket. Keys and prefixes are in the query, where any character is itself."""
    path = reverse(f"admin:media_catalog_bucket_{name}", args=[bucket.pk])
    return f"{path}?{urlencode(query)}" if query else path


def page_context(page: ModelAdmin, request: HttpRequest, bucket: Bucket, title: str, **extra: Any) -> dict[str, Any]:
    return {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": title,
        "bucket": bucket,
        "has_view_permission": page.has_view_permission(request),
        **extra,
    }


def origin_of(request: HttpRequest) -> str:
    """Where the browser has this page from, as CORS rules name it."""
    return f"{request.scheme}://{request.get_host()}"


def bound(page: ModelAdmin, views: Mapping[str, Callable[..., HttpResponseBase]]) -> Mapping[str, Any]:
    """The views with their page as first argument, behind the admin's own door."""
    return {name: page.admin_site.admin_view(partial(view, page)) for name, view in views.items()}
