"""The formats that we read and write. A new format is a new row here and, where we write it, in `encoding`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from PIL import features

from media_catalog.imaging import checksums, gif, headers, scans


@dataclass(frozen=True, kw_only=True)
class Format:
    """`read_size` answers (width, height) as stored, or None when the header is unreadable.

    `rendered_as` is the format of renditions that shall have the one of their source; "" for itself.
    """

    content_type: str
    extension: str
    read_size: Callable[[BinaryIO], tuple[int, int] | None]
    # Where the decoder overlooks it, whether the file is whole and asks for no more work than its pixels are worth.
    is_sound: Callable[[BinaryIO], bool] | None = None
    # Where Pillow would read the whole file for it.
    count_frames: Callable[[BinaryIO], int] | None = None
    rendered_as: str = ""
    # Memory that reading takes for each pixel at worst, measured.
    bytes_per_pixel: Callable[[BinaryIO], int] = lambda source: 6
    # Read by a child process with limits (`apart`), whatever its size.
    apart: bool = False
    # The decoder turns the picture upright itself.
    turned_by_decoder: bool = False


_ROWS: Mapping[str, Format] = {
    "JPEG": Format(
        content_type="image/jpeg",
        extension="jpg",
        read_size=headers.jpeg_size,
        is_sound=scans.jpeg_is_sound,
        # The second picture of an MPO, as many phones write, is no frame.
        count_frames=lambda source: 1,
        # Else the decoder holds the coefficients of the whole picture, of up to four colours.
        bytes_per_pixel=lambda source: 4 if scans.jpeg_is_streamed(source) else 8,
    ),
    "PNG": Format(
        content_type="image/png", extension="png", read_size=headers.png_size, is_sound=checksums.png_is_sound
    ),
    # Its decoder holds the whole canvas four times.
    "WEBP": Format(
        content_type="image/webp",
        extension="webp",
        read_size=headers.webp_size,
        bytes_per_pixel=lambda source: 17,
    ),
    # 13 with samples of 8 bits, 20 of 10.
    "AVIF": Format(
        content_type="image/avif",
        extension="avif",
        read_size=headers.avif_size,
        bytes_per_pixel=lambda source: 20,
        apart=True,
    ),
    "GIF": Format(
        content_type="image/gif",
        extension="gif",
        read_size=gif.size,
        count_frames=gif.frames,
        rendered_as="PNG",
    ),
    # What scanners write. As JPEG, since browsers show no TIFF and a scan as PNG is ten times as large.
    "TIFF": Format(
        content_type="image/tiff",
        extension="tif",
        read_size=headers.tiff_size,
        # Its pages are no frames.
        count_frames=lambda source: 1,
        rendered_as="JPEG",
        # Besides the picture, a strip of it may be the whole, of 8 bytes for each pixel.
        bytes_per_pixel=lambda source: 14,
        apart=True,
        turned_by_decoder=True,
    ),
}
# Some distributions build Pillow without AVIF. There is no row for HEIC: docs/architecture.md (Pictures).
FORMATS: Mapping[str, Format] = {name: row for name, row in _ROWS.items() if name != "AVIF" or features.check("avif")}
WRITTEN = tuple(name for name, row in FORMATS.items() if not row.rendered_as)


def content_type(format: str) -> str:
    """The media type of a format in FORMATS: "image/jpeg". KeyError for others."""
    return FORMATS[format].content_type


def extension(format: str) -> str:
    """The file extension of a format in FORMATS, without dot: "jpg". KeyError for others."""
    return FORMATS[format].extension


def rendered_as(format: str) -> str:
    """The format of a rendition that is to have the one of its source: itself, or one that browsers show."""
    return FORMATS[format].rendered_as or format
