"""Handing an original to the browser."""

from django.conf import settings
from django.utils.http import content_disposition_header

from media_catalog.aws import presign
from media_catalog.models import Image, Rendition


def original_link(*, image: Image) -> str:
    """An expiring link that downloads the original under its own name. Counted as one GET."""
    return presign.download_link(
        image.bucket.name,
        image.key,
        disposition=content_disposition_header(as_attachment=True, filename=image.key.rsplit("/", 1)[-1])
        or "attachment",
        content_type=image.content_type,
        seconds=settings.DOWNLOAD_LINK_SECONDS,
    )


def rendition_link(*, rendition: Rendition) -> str:
    """An expiring link that shows a rendition. Counted as one GET."""
    return presign.download_link(
        rendition.bucket.name,
        rendition.key,
        disposition="inline",
        content_type=rendition.content_type,
        seconds=settings.DOWNLOAD_LINK_SECONDS,
    )
