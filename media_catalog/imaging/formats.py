"""The formats that we read and write. A new format is a new row here and an encoder in `encoding`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from media_catalog.imaging import checksums, headers


@dataclass(frozen=True, kw_only=True)
class Format:
    """`read_size` answers (width, height) as stored, or None when the header is unreadable."""

    content_type: str
    extension: str
    read_size: Callable[[BinaryIO], tuple[int, int] | None]
    # Where the decoder does not need the whole file, whether the rest of it is there.
    is_whole: Callable[[BinaryIO], bool] | None = None


FORMATS: Mapping[str, Format] = {
    "JPEG": Format(content_type="image/jpeg", extension="jpg", read_size=headers.jpeg_size),
    "PNG": Format(
        content_type="image/png", extension="png", read_size=headers.png_size, is_whole=checksums.png_is_whole
    ),
    "WEBP": Format(content_type="image/webp", extension="webp", read_size=headers.webp_size),
}


def content_type(format: str) -> str:
    """The media type of a format in FORMATS: "image/jpeg". KeyError for others."""
    return FORMATS[format].content_type


def extension(format: str) -> str:
    """The file extension of a format in FORMATS, without dot: "jpg". KeyError for others."""
    return FORMATS[format].extension
