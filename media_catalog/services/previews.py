"""Rendition bytes for the admin's own pages, through the shared cache: no request for what was seen or made.

The cache only saves requests. When it fails, that is a miss and a line in the log.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache

from media_catalog.aws import s3
from media_catalog.models import Rendition, RequestClass
from media_catalog.quota import usage

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def tag(rendition: Rendition) -> str:
    """Names exactly these bytes: the ETag of answers and the key of the cache."""
    return f"{rendition.pk}-{rendition.etag}"


def remember(rendition: Rendition, body: bytes) -> None:
    """Keep bytes that we hold anyway, right after they were made."""
    _ask(lambda: cache.set(_key(rendition), body, settings.PREVIEW_CACHE_SECONDS))


def fetch(rendition: Rendition) -> bytes | None:
    """The bytes of a rendition, or None when its object is gone. At most one GET."""
    body: bytes | None = _ask(lambda: cache.get(_key(rendition)))
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
    _ask(lambda: cache.delete(_key(rendition)))


def forget_all(renditions: Iterable[Rendition]) -> None:
    """In one request to a cache that is a server."""
    _ask(lambda: cache.delete_many([_key(rendition) for rendition in renditions]))


def _ask(question: Callable[[], Answer]) -> Answer | None:
    """What the cache answers, or None when it fails."""
    try:
        return question()
    except Exception:  # each backend has errors of its own
        logger.warning("the cache of previews failed", exc_info=True)
        return None


def _key(rendition: Rendition) -> str:
    return f"preview:{tag(rendition)}"
