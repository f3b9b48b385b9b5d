"""Rendition bytes for the admin's own pages, through the shared cache: no request for what was seen or made."""

from django.conf import settings
from django.core.cache import cache

from media_catalog.aws import s3
from media_catalog.models import Rendition, RequestClass
from media_catalog.quota import usage


def tag(rendition: Rendition) -> str:
    """Names exactly these bytes: the ETag of answers and the key of the cache."""
    return f"{rendition.pk}-{rendition.etag}"


def remember(rendition: Rendition, body: bytes) -> None:
    """Keep bytes that we hold anyway, right after they were made."""
    cache.set(_key(rendition), body, settings.PREVIEW_CACHE_SECONDS)


def fetch(rendition: Rendition) -> bytes | None:
    """The bytes of a rendition, or None when its object is gone. At most one GET."""
    body: bytes | None = cache.get(_key(rendition))
    if body is None:
        content = s3.get_object(rendition.bucket.name, rendition.key)
        if content is None:
            return None
        body = content.body
        remember(rendition, body)
    else:
        usage.saved(RequestClass.S3_TIER2, "preview cache")
    return body


def forget(rendition: Rendition) -> None:
    cache.delete(_key(rendition))


def _key(rendition: Rendition) -> str:
    return f"preview:{tag(rendition)}"
