"""What a file is, found out safely."""

from typing import BinaryIO

from media_catalog.imaging import opening
from media_catalog.imaging.formats import content_type, extension
from media_catalog.imaging.values import Limits, Probe

__all__ = ["Limits", "Probe", "content_type", "extension", "probe"]


def probe(source: BinaryIO, *, limits: Limits) -> Probe:
    """Look at a seekable file and decode it to its end, JPEG at an eighth of its size.

    Raises ImageRefused. Leaves `source` open and at position 0 in every case.
    """
    try:
        with opening.opened(source, limits=limits) as picture:
            opening.decode(picture, at_least=(1, 1))
            return Probe(
                format=picture.format,
                content_type=content_type(picture.format),
                width=picture.width,
                height=picture.height,
                orientation=picture.orientation,
            )
    finally:
        source.seek(0)
