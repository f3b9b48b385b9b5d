"""What images are accepted, from the settings."""

from django.conf import settings

from media_catalog.imaging.probe import Limits


def image_limits() -> Limits:
    return Limits(
        max_bytes=settings.IMAGE_MAX_BYTES,
        max_pixels=settings.IMAGE_MAX_PIXELS,
        formats=tuple(settings.IMAGE_FORMATS),
    )
