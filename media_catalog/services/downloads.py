"""Handing an original, to be saved, or a rendition, to be shown, to the browser."""

from django.conf import settings

from media_catalog.aws import presign
from media_catalog.models import Image, Rendition

from . import objects


def link(held: Image | Rendition) -> str:
    """An expiring link. Counted as one GET. For linkable keys only."""
    return presign.download_link(
        held.bucket.name,
        held.key,
        disposition=disposition(held),
        content_type=held.content_type,
        seconds=settings.DOWNLOAD_LINK_SECONDS,
    )


def disposition(held: Image | Rendition) -> str:
    """Its Content-Disposition: of an original under its own name."""
    return objects.attachment(held.key) if isinstance(held, Image) else "inline"
