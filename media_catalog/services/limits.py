"""What images are accepted: by the settings, and by the rule of a bucket."""

from django.conf import settings

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import Limits, Probe
from media_catalog.models import Bucket


def image_limits() -> Limits:
    return Limits(
        max_bytes=settings.IMAGE_MAX_BYTES,
        max_pixels=settings.IMAGE_MAX_PIXELS,
        formats=tuple(settings.IMAGE_FORMATS),
    )


def check_rule(bucket: Bucket, found: Probe) -> None:
    """Raises ImageRefused (resolution) unless the size, upright, is as the bucket's upload rule asks."""
    if not bucket.allows(found.width, found.height):
        raise ImageRefused(
            "resolution",
            rule=bucket.upload_rule,
            width=found.width,
            height=found.height,
            wanted_width=bucket.rule_width,
            wanted_height=bucket.rule_height,
        )
