"""Pictures for the tests, made with Pillow, and the door they are put through."""

import io
import random
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from media_catalog.imaging.formats import FORMATS
from media_catalog.imaging.probe import Limits
from media_catalog.imaging.renditions import Made, Spec, make

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 160, 30), (30, 30, 200), (220, 220, 30)
WHITE = (255, 255, 255)
LIMITS = Limits(max_bytes=20_000_000, max_pixels=40_000_000, formats=("JPEG", "PNG", "WEBP"))
ALL = replace(LIMITS, formats=tuple(FORMATS))


def spec(width: int | None, height: int | None, mode: str = "fit", **others: Any) -> Spec:
    """A spec whose result is exact (PNG) unless said otherwise."""
    values = {"slug": "some", "allow_upscale": False, "format": "PNG", "quality": 85, **others}
    return Spec(width=width, height=height, mode=mode, **values)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    body = io.BytesIO()
    if format in ("JPEG", "MPO"):
        options = {"quality": 95, "subsampling": 0, **options}
    if format == "WEBP":
        options = {"lossless": True, **options}
    if format == "AVIF":
        options = {"quality": 95, "subsampling": "4:4:4", "speed": 9, **options}
    image.save(body, format, **options)
    return body.getvalue()


def decoded(body: bytes) -> Image.Image:
    with Image.open(io.BytesIO(body)) as image:
        image.load()
        return image


def made(source: bytes, *specs: Spec) -> list[Made]:
    return make(source, specs, limits=ALL)


def rendered(source: bytes, asked: Spec) -> Image.Image:
    """The rendition, decoded again; its dataclass tells the truth about it."""
    (rendition,) = made(source, asked)
    image = decoded(rendition.body)
    assert (rendition.width, rendition.height, rendition.format) == (*image.size, image.format)
    return image


def plain(width: int, height: int, colour: tuple[int, ...] = RED) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", (width, height), colour)


def quarters(width: int, height: int, colours: Sequence[tuple[int, ...]]) -> Image.Image:
    """Four rectangles of one colour each: top left, top right, bottom left, bottom right."""
    image = Image.new("RGBA" if len(colours[0]) == 4 else "RGB", (width, height))
    half = (width // 2, height // 2)
    for index, colour in enumerate(colours):
        corner = (index % 2 * half[0], index // 2 * half[1])
        image.paste(colour, (*corner, corner[0] + width - half[0], corner[1] + height - half[1]))
    return image


# EXIF 2.32, tag 274: where the stored row 0 and column 0 are in the upright picture.
STORED: Mapping[int, tuple[str, str]] = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
_OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def stored(orientation: int, width: int, height: int, colours: Sequence[tuple[int, ...]]) -> Image.Image:
    """What is stored of a picture that shows `quarters` at width × height when turned as the tag says."""
    row, column = STORED[orientation]
    upright = dict(
        zip((("top", "left"), ("top", "right"), ("bottom", "left"), ("bottom", "right")), colours, strict=True)
    )
    sides = ((row, column), (row, _OPPOSITE[column]), (_OPPOSITE[row], column), (_OPPOSITE[row], _OPPOSITE[column]))
    size = (width, height) if row in ("top", "bottom") else (height, width)
    return quarters(*size, [upright.get(pair) or upright[pair[1], pair[0]] for pair in sides])


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours a little inside the corners, in the order of `quarters`."""
    right, bottom = image.width * 7 // 8, image.height * 7 // 8
    left, top = image.width // 8, image.height // 8
    places = ((left, top), (right, top), (left, bottom), (right, bottom))
    return [pixel(image, *place) for place in places]


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """In RGB, or RGBA when the picture has transparency."""
    found = image.convert("RGBA" if image.has_transparency_data else "RGB").getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def near(found: Sequence[int], wanted: Sequence[int], tolerance: int = 6) -> bool:
    """Whether two colours differ by no more than lossy coding explains."""
    return len(found) == len(wanted) and all(abs(a - b) <= tolerance for a, b in zip(found, wanted, strict=True))


def photo(width: int, height: int) -> Image.Image:
    """Detail at every scale, hard edges and the noise of a sensor; the same at every call."""
    whole = Image.new("RGB", (width, height), (128, 128, 128))
    for step, (horizontal, vertical) in enumerate(((3, 5), (11, 7), (41, 31), (151, 113))):
        gradient = Image.linear_gradient("L").resize((horizontal * 8, vertical * 8))
        tile = Image.merge("RGB", [gradient.rotate(90 * (step + band)).resize(gradient.size) for band in (0, 1, 2)])
        layer = Image.new("RGB", (width, height))
        for left in range(0, width, tile.width):
            for top in range(0, height, tile.height):
                layer.paste(tile, (left, top))
        whole = Image.blend(whole, layer, 0.35)
    grain = random.Random(1).randbytes(width * height)
    for step in (1, 2):
        noise = Image.frombytes("L", (width, height), grain).crop((0, 0, width // step, height // step))
        whole = Image.blend(whole, noise.resize((width, height), Image.Resampling.BICUBIC).convert("RGB"), 0.06)
    whole.paste(RED, (width // 5, height // 4, width // 3, height // 2))
    whole.paste(WHITE, (width // 2, height // 2, width * 4 // 5, height * 2 // 3))
    return whole


def exif(**tags: int) -> bytes:
    """An EXIF block with `orientation` and a GPS position."""
    block = Image.Exif()
    block[0x0112] = tags["orientation"]
    block[0x010F] = "SECRETMAKER"
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    return block.tobytes()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_claiming(width: int, height: int) -> bytes:
    """A valid PNG header of that size in front of nearly no pixels."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(bytes(100)))
        + png_chunk(b"IEND", b"")
    )


def jpeg_claiming(width: int, height: int) -> bytes:
    """A JPEG whose frame header was rewritten to that size."""
    body = encoded(plain(16, 16), "JPEG")
    place = body.index(b"\xff\xc0") + 5
    return body[:place] + struct.pack(">HH", height, width) + body[place + 4 :]


def jpeg_of(marker: int, bits: int) -> bytes:
    """A JPEG whose frame header was rewritten to that kind."""
    body = bytearray(encoded(plain(160, 160), "JPEG"))
    place = body.index(b"\xff\xc0")
    body[place + 1], body[place + 4] = marker, bits
    return bytes(body)


def webp_claiming(width: int, height: int) -> bytes:
    """An extended WebP whose canvas was rewritten to that size."""
    body = encoded(plain(16, 16, (*RED, 128)), "WEBP", exif=exif(orientation=1))
    assert body[12:16] == b"VP8X"
    return body[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + body[30:]


def avif_claiming(width: int, height: int) -> bytes:
    body = bytearray(encoded(plain(60, 40), "AVIF"))
    struct.pack_into(">II", body, body.index(b"ispe") + 8, width, height)
    return bytes(body)


def tiff_claiming(width: int, height: int) -> bytes:
    body = bytearray(encoded(plain(60, 40), "TIFF"))
    (start,) = struct.unpack_from("<I", body, 4)
    struct.pack_into("<HHII", body, start + 2, 256, 4, 1, width)
    struct.pack_into("<HHII", body, start + 14, 257, 4, 1, height)
    return bytes(body)
