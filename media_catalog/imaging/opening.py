"""The only place where Pillow's decoders meet foreign bytes.

Everything is checked from the cheapest on: length, signature, size in the header, checksums; only then is
a decoder built, and only the one that the signature asks for.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging import orientation, signatures
from media_catalog.imaging.formats import FORMATS
from media_catalog.imaging.values import Limits

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An opened picture whose pixels are not decoded yet. `width` and `height` are upright."""

    image: Image.Image
    format: str
    orientation: int
    width: int
    height: int


@contextmanager
def opened(source: BinaryIO, *, limits: Limits) -> Iterator[Picture]:
    """The picture in `source`, for as long as the context lasts. Raises ImageRefused.

    The position of `source` is anywhere afterwards; it is not closed.
    """
    _check_length(source, limits)
    format = _identified(source, limits)
    size = _stored_size(source, format)
    check_pixels(*size, limits=limits)
    is_whole = FORMATS[format].is_whole
    if is_whole and not is_whole(source):
        raise ImageRefused("damaged")
    with decoding():
        image = _image(source, format, size)
    with image:
        # A file may carry two headers and Pillow believe the other one.
        check_pixels(*image.size, limits=limits)
        yield _picture(image, format)


def decode(picture: Picture, *, at_least: tuple[int, int]) -> tuple[Image.Image, Box]:
    """Decode all pixels, once, and answer them with the part of them that is the picture.

    `at_least` is in pixels as stored. JPEG may be decoded at 1/2, 1/4 or 1/8 of its size if that still
    covers `at_least`; its last column or row can then lie partly outside. Raises ImageRefused (damaged).
    """
    image = picture.image
    with decoding():
        drafted = image.draft(None, at_least)
        image.load()
    return image, drafted[1] if drafted else (0, 0, *image.size)


def check_pixels(width: int, height: int, *, limits: Limits) -> None:
    """Raises ImageRefused (too_many_pixels) when the area is above the limit."""
    if width * height > limits.max_pixels:
        raise ImageRefused("too_many_pixels", width=width, height=height, limit=limits.max_pixels)


@contextmanager
def decoding() -> Iterator[None]:
    """Around Pillow's decoders: silent, and whatever they raise says that the file is damaged."""
    try:
        with _SILENCE:
            yield
    except (ImageRefused, MemoryError):
        # Too little memory is our trouble, and may be over at the next try.
        raise
    except Exception as fault:
        # Decoders of hostile bytes raise nearly anything: OSError, SyntaxError, struct.error, KeyError…
        raise ImageRefused("damaged") from fault


class _Silence:
    """Silences Pillow's warnings while at least one thread is inside.

    The filters of `warnings` belong to the process, and `catch_warnings` in two threads at once can leave
    its own behind for ever. So the first thread in sets the filter and the last one out restores.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._catching = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._catching = warnings.catch_warnings()
                self._catching.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._catching.__exit__(None, None, None)


_SILENCE = _Silence()


def _check_length(source: BinaryIO, limits: Limits) -> None:
    size = source.seek(0, io.SEEK_END)
    if size == 0:
        raise ImageRefused("empty")
    if size > limits.max_bytes:
        raise ImageRefused("too_many_bytes", size=size, limit=limits.max_bytes)


def _identified(source: BinaryIO, limits: Limits) -> str:
    source.seek(0)
    head = source.read(signatures.HEAD_BYTES)
    format = signatures.image_format(head)
    if format is None:
        raise ImageRefused("not_image", looks_like=signatures.looks_like(head))
    if format not in limits.formats:
        raise ImageRefused("format", format=format, accepted=limits.formats)
    return format


def _stored_size(source: BinaryIO, format: str) -> tuple[int, int]:
    size = FORMATS[format].read_size(source)
    if size is None:
        raise ImageRefused("damaged")
    return size


def _image(source: BinaryIO, format: str, size: tuple[int, int]) -> Image.Image:
    try:
        return Image.open(source, formats=[format])
    except Image.DecompressionBombError as bomb:
        # Pillow's own ceiling, which may be below our limit.
        ceiling = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageRefused("too_many_pixels", width=size[0], height=size[1], limit=ceiling) from bomb


def _picture(image: Image.Image, format: str) -> Picture:
    # `image.format` is not used: for the JPEG of many phones, which hold a second picture, it is "MPO".
    turn = orientation.read(image.info.get("exif") or b"")
    width, height = reversed(image.size) if orientation.swaps_sides(turn) else image.size
    return Picture(image=image, format=format, orientation=turn, width=width, height=height)
