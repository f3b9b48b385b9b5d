"""The only place where Pillow's decoders meet foreign bytes.

Everything is checked from the cheapest on: length, signature, size in the header, checksums; only then is
a decoder built, and only the one that the signature asks for.
"""

import io
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging import apng, averaging, drafting, headers, orientation, signatures, tiff
from media_catalog.imaging.drafting import Box
from media_catalog.imaging.formats import FORMATS
from media_catalog.imaging.memory import TOGETHER
from media_catalog.imaging.values import Limits

# Pillow brings the samples of a PNG to 8 bits, but not the one that is clear. Of 16 bits it keeps the upper eight.
_CLEAR_IN_8_BITS: Mapping[object, Callable[[int], int]] = {
    "L;2": lambda value: value * 85,
    "L;4": lambda value: value * 17,
    "RGB;16B": lambda value: value >> 8,
}
MAX_FRAMES = 1_000_000  # that are told: headers may claim billions


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An opened picture whose pixels are not decoded yet. `width` and `height` are upright.

    `place`: where its pixels are, as stored, when they do not fill it; the rest is clear.
    """

    image: Image.Image
    format: str
    orientation: int
    width: int
    height: int
    frames: int
    place: averaging.Place | None


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the first bytes of a file say: its format, and its size in pixels as stored."""

    format: str
    width: int
    height: int

    def memory(self, source: BinaryIO) -> int:
        """The bytes that reading it takes at worst; its header may say more than its size."""
        return self.width * self.height * FORMATS[self.format].bytes_per_pixel(source)

    def is_apart(self, memory: int) -> bool:
        """Whether a child process is to do what takes so much memory."""
        return FORMATS[self.format].apart or memory > TOGETHER


def announced(source: BinaryIO, *, limits: Limits) -> Announced:
    """What the file says it is, with no decoder involved. Raises ImageRefused."""
    _check_length(source, limits)
    format = _identified(source, limits)
    width, height = _stored_size(source, format, limits)
    check_pixels(width, height, limits=limits)
    return Announced(format=format, width=width, height=height)


@contextmanager
def opened(source: BinaryIO, *, limits: Limits) -> Iterator[Picture]:
    """The picture in `source`, for as long as the context lasts. Raises ImageRefused.

    The position of `source` is anywhere afterwards; it is not closed.
    """
    claim = announced(source, limits=limits)
    row = FORMATS[claim.format]
    if row.is_sound and not row.is_sound(source):
        raise ImageRefused("damaged")
    frames = row.count_frames(source) if row.count_frames else None
    with decoding():
        image = _image(source, claim, limits)
    with image:
        # A file may carry two headers and Pillow believe the other one.
        check_pixels(*image.size, limits=limits)
        if kind := tiff.misread(image) or ("" if image.mode in averaging.MODES else image.mode):
            raise _unread(claim.format, kind, limits)
        yield _picture(image, claim.format, frames, _place(image, source))


def decode(picture: Picture, *, at_least: tuple[int, int]) -> tuple[Image.Image, Box]:
    """Decode all pixels, once, and answer them with the part of them that is the picture.

    `at_least` is in pixels as stored. JPEG may be decoded smaller if that still covers `at_least`; its last
    column or row can then lie partly outside. Raises ImageRefused (damaged).
    """
    image = picture.image
    with decoding():
        box = drafting.draft(image, at_least)
        image.load()
    return image, box or (0, 0, *image.size)


def check_pixels(width: int, height: int, *, limits: Limits) -> None:
    """Raises ImageRefused: too_many_pixels when the area is above the limit, damaged when there is none."""
    if not (width and height):
        raise ImageRefused("damaged")
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


def _unread(format: str, kind: str, limits: Limits) -> ImageRefused:
    return ImageRefused("format", format=f"{format} ({kind})", accepted=limits.formats)


def _stored_size(source: BinaryIO, format: str, limits: Limits) -> tuple[int, int]:
    try:
        size = FORMATS[format].read_size(source)
    except headers.Unread as kind:
        raise _unread(format, str(kind), limits) from kind
    if size is None:
        raise ImageRefused("damaged")
    return size


def _image(source: BinaryIO, claim: Announced, limits: Limits) -> Image.Image:
    try:
        image = Image.open(source, formats=[claim.format])
    except UnidentifiedImageError as refused:
        if claim.format == "TIFF" and (kind := tiff.unknown(source)):
            raise _unread(claim.format, kind, limits) from refused
        raise
    except Image.DecompressionBombError as bomb:
        # Pillow's own ceiling, which may be below our limit.
        ceiling = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageRefused("too_many_pixels", width=claim.width, height=claim.height, limit=ceiling) from bomb
    if isinstance(image, PngImagePlugin.PngImageFile):
        image = _first_frame(image, source)
        _mend_clear_colour(image)
    if isinstance(image, JpegImagePlugin.JpegImageFile) and isinstance(source, io.BytesIO):
        # In memory it is handed over uncopied, and libjpeg is faster where it need not stop for more.
        image.decodermaxblock = sys.maxsize
    return image


def _first_frame(image: PngImagePlugin.PngImageFile, source: BinaryIO) -> PngImagePlugin.PngImageFile:
    if not image.default_image:
        return image
    frame = apng.first_frame(source)
    if frame is None:
        image.n_frames = 1
        return image
    return PngImagePlugin.PngImageFile(frame)


def _mend_clear_colour(image: PngImagePlugin.PngImageFile) -> None:
    in_8_bits = _CLEAR_IN_8_BITS.get(image.tile[0].args)
    if in_8_bits and (clear := image.info.get("transparency")) is not None:
        image.info["transparency"] = tuple(map(in_8_bits, clear)) if isinstance(clear, tuple) else in_8_bits(clear)


def _picture(image: Image.Image, format: str, frames: int | None, place: averaging.Place | None) -> Picture:
    # `image.format` is not used: for the JPEG of many phones, which hold a second picture, it is "MPO".
    turn = 1 if FORMATS[format].turned_by_decoder else orientation.read(image.info.get("exif") or b"")
    width, height = reversed(image.size) if orientation.swaps_sides(turn) else image.size
    return Picture(
        image=image,
        format=format,
        orientation=turn,
        width=width,
        height=height,
        frames=min(getattr(image, "n_frames", 1) if frames is None else frames, MAX_FRAMES),
        place=_partial(place, image.size),
    )


def _partial(place: averaging.Place | None, size: tuple[int, int]) -> averaging.Place | None:
    if place is None or place == (0, 0, *size):
        return None
    left, upper, right, lower = (min(edge, size[axis % 2]) for axis, edge in enumerate(place))
    return left, upper, right, lower


def _place(image: Image.Image, source: BinaryIO) -> averaging.Place | None:
    """Of the first frame, in formats that know animations in which it is a part of the whole."""
    if isinstance(image, GifImagePlugin.GifImageFile | PngImagePlugin.PngImageFile):
        return image.tile[0].extents
    return headers.webp_place(source) if isinstance(image, WebPImagePlugin.WebPImageFile) else None
