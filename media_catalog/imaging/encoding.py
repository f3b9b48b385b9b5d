"""Pixels → file. The files hold no metadata, since the pictures that come here hold none."""

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from media_catalog.imaging import pixels

# JPEG: `optimize` doubles the time for 0.5 % of the bytes, `progressive` costs five times for 4 %.
# WebP: method 4, the default, takes twice the time for 2 % of the bytes.
# AVIF: speed 6, the default, takes 13 times the time for 6 % of the bytes. One thread: others work here too.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {"method": 2},
    "AVIF": {"speed": 9, "max_threads": 1},
}
# Memory for each pixel at worst, that of the pixel included, measured.
BYTES_PER_PIXEL: Mapping[str, int] = {"JPEG": 10, "PNG": 5, "WEBP": 10, "AVIF": 30}
_WITHOUT_QUALITY = frozenset({"PNG"})
_WITHOUT_ALPHA = frozenset({"JPEG"})


def encode(image: Image.Image, *, format: str, quality: int, background: tuple[int, int, int]) -> bytes:
    """A presentable picture as a file of this format; on the background where the format knows no alpha."""
    options = dict(_OPTIONS[format])
    if format not in _WITHOUT_QUALITY:
        options["quality"] = quality
    body = io.BytesIO()
    (pixels.flattened(image, background) if format in _WITHOUT_ALPHA else image).save(body, format, **options)
    return body.getvalue()
