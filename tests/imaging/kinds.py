"""One picture of every kind that cameras, phones, scanners and programs produce: the table of test_kinds.

Each is built from the pixels as stored, RGBA, and the EXIF block that tells how to turn them.
"""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops, ImageCms

from media_catalog.imaging import orientation
from tests.imaging.pictures import BLUE, GREEN, RED, WHITE, YELLOW, encoded, png_chunk

Colours = Sequence[tuple[int, ...]]
BLACK = (0, 0, 0)
CLEAR = (0, 0, 0, 0)
COLOURS = (RED, GREEN, BLUE, YELLOW)
CLEAR_ONE = ((*RED, 255), CLEAR, (*BLUE, 255), (*YELLOW, 255))
UPPER_HALF = ((*RED, 255), (*GREEN, 255), CLEAR, CLEAR)
GREYS = tuple((value, value, value) for value in (0, 90, 170, 255))
GREYS_CLEAR_ONE_OF_FEW = ((0, 0, 0, 255), (85, 85, 85, 255), CLEAR, (255, 255, 255, 255))
CLEAR_KEY = (0x1234, 0x5678, 0x9ABC)  # a colour that is clear, in 16 bits; none of the others
GREYS_CLEAR_ONE = ((0, 0, 0, 255), (90, 90, 90, 255), CLEAR, (200, 200, 200, 255))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`build` answers a file of the stored pixels; `animated`, whether another frame follows them."""

    build: Callable[[Image.Image, bytes], bytes]
    colours: Colours = COLOURS
    tolerance: int = 6
    animated: bool = False


def saved(format: str, mode: str = "RGB", **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    return lambda image, exif: encoded(image.convert(mode), format, exif=exif, **options)


def animated(format: str, **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    def build(image: Image.Image, exif: bytes) -> bytes:
        first = image.convert("RGB")
        return encoded(first, format, exif=exif, save_all=True, append_images=[ImageChops.invert(first)], **options)

    return build


def animated_behind(image: Image.Image, exif: bytes) -> bytes:
    """An APNG of two frames, and in front of them a picture for programs that know no animation."""
    first = image.convert("RGB")
    front = Image.new("RGB", image.size, (1, 2, 3))
    return encoded(front, exif=exif, save_all=True, default_image=True, append_images=[first, ImageChops.invert(first)])


def animated_in_part(image: Image.Image, exif: bytes) -> bytes:
    """An APNG of one frame, which covers what is opaque, behind such a picture."""
    place = image.getchannel("A").getbbox()
    assert place
    frame = image.convert("RGB").crop(place)
    control = struct.pack(">5I2H2B", 0, *frame.size, *place[:2], 1, 1, 0, 0)
    body = encoded(Image.new("RGB", image.size, (1, 2, 3)), exif=exif)
    start, end = body.index(b"IDAT") - 4, body.index(b"IEND") - 4
    data = zlib.compress(b"".join(b"\0" + row for row in packed_rows(list(frame.tobytes()), frame.height, 8)))
    animation = png_chunk(b"acTL", struct.pack(">II", 1, 0)), png_chunk(b"fcTL", control)
    parts = [png_chunk(b"fdAT", struct.pack(">I", 1) + data[:9]), png_chunk(b"fdAT", struct.pack(">I", 2) + data[9:])]
    return body[:start] + animation[0] + body[start:end] + animation[1] + b"".join(parts) + body[end:]


def tiff(mode: str = "RGB", **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    """Its tags are its EXIF; Pillow's way of writing them fails on a position."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        tags = {0x0112: orientation.read(exif), 0x010F: "SECRETMAKER"}
        return encoded(image.convert(mode), "TIFF", tiffinfo=tags, **options)

    return build


def palette(image: Image.Image, exif: bytes) -> bytes:
    return encoded(image.convert("RGB").quantize(8), exif=exif)


def palette_clear(image: Image.Image, exif: bytes) -> bytes:
    return encoded(image.quantize(8, Image.Quantize.FASTOCTREE), exif=exif)


def grey_16(format: str) -> Callable[[Image.Image, bytes], bytes]:
    def build(image: Image.Image, exif: bytes) -> bytes:
        wide = image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
        return encoded(wide, format, exif=exif)

    return build


def png_16(*, clear: bool = False) -> Callable[[Image.Image, bytes], bytes]:
    """A PNG of 16 bits for each of three samples, which Pillow reads but does not write."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        colours = [[each << 8 | 0x5A for each in pixel[:3]] if pixel[3] else CLEAR_KEY for pixel in pixels_of(image)]
        samples = [sample for colour in colours for sample in colour]
        return png_file(image.size, 16, 2, samples, exif, CLEAR_KEY if clear else ())

    return build


def png_grey(bits: int) -> Callable[[Image.Image, bytes], bytes]:
    """A PNG of so few bits for a shade, or of many, with one that is clear; Pillow writes 8 bits, or no such shade."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        clear = {2: 2, 4: 9, 16: 0x1234}[bits]
        samples = [pixel[0] * (2**bits - 1) // 255 if pixel[3] else clear for pixel in pixels_of(image)]
        return png_file(image.size, bits, 0, samples, exif, [clear])

    return build


def png_file(
    size: tuple[int, int], bits: int, kind: int, samples: Sequence[int], exif: bytes, clear: Sequence[int]
) -> bytes:
    width, height = size
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
        (b"eXIf", exif.removeprefix(b"Exif\0\0")),
        *([(b"tRNS", struct.pack(f">{len(clear)}H", *clear))] if clear else []),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed_rows(samples, height, bits)))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def tiff_grey(order: str, bits: int, *, white: int = 1, packed: bool = False) -> Callable[[Image.Image, bytes], bytes]:
    """A TIFF of more than 8 bits for a shade. `order` as in struct; `white` 0 where a sample of 0 is white."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        top = 2**bits - 1
        samples = [pixel[0] * top // 255 if white else top - pixel[0] * top // 255 for pixel in pixels_of(image)]
        data = b"".join(packed_rows(samples, image.height, bits, order))
        tags = {258: (bits,), 262: (white,), 274: (orientation.read(exif),)}
        return tiff_file(order, image.size, [data], tags, packed=packed)

    return build


def tiff_deep(
    order: str, mode: str = "RGB", *, planar: bool = False, packed: bool = False
) -> Callable[[Image.Image, bytes], bytes]:
    """A TIFF of 16 bits for each sample of RGB, RGBA or CMYK, which Pillow does not write."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        shown = cmyk(image) if mode == "CMYK" else image.convert(mode)
        bands = [[value << 8 | 0x5A for value in band.tobytes()] for band in shown.split()]
        planes = bands if planar else [[sample for pixel in zip(*bands, strict=True) for sample in pixel]]
        tags = {258: (16,) * len(bands), 262: (5 if mode == "CMYK" else 2,), 274: (orientation.read(exif),)}
        tags |= {338: (2,)} if mode == "RGBA" else {}
        data = [struct.pack(f"{order}{len(plane)}H", *plane) for plane in planes]
        return tiff_file(order, image.size, data, tags, packed=packed)

    return build


def tiff_planes(mode: str) -> Callable[[Image.Image, bytes], bytes]:
    """A TIFF of 8 bits for a sample, one plane behind the other; or of a single bit, where 0 is white."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        if mode == "1":
            data, bits, colours = [ImageChops.invert(image.convert("1")).tobytes()], 1, 0
        else:
            data, bits, colours = [band.tobytes() for band in image.convert(mode).split()], 8, 2 if mode == "RGB" else 1
        tags = {258: (bits,) * len(data), 262: (colours,), 274: (orientation.read(exif),), 284: (2,)}
        tags |= {338: (2,)} if mode == "LA" else {}
        return tiff_file("<", image.size, data, tags)

    return build


def tiff_ycbcr(image: Image.Image, exif: bytes) -> bytes:
    """As scanners write it: two by two pixels share their colours."""
    shown = image.convert("YCbCr")
    even = shown.crop((0, 0, image.width + image.width % 2, image.height + image.height % 2))
    # What is beyond the edge repeats it.
    even.paste(shown.crop((image.width - 1, 0, image.width, image.height)).resize((2, image.height)), (image.width, 0))
    data = b""
    for top in range(0, even.height, 2):
        for left in range(0, even.width, 2):
            luminance, *colours = even.crop((left, top, left + 2, top + 2)).split()
            data += luminance.tobytes() + bytes(band.tobytes()[0] for band in colours)
    tags = {258: (8, 8, 8), 262: (6,), 274: (orientation.read(exif),), 530: (2, 2)}
    return tiff_file("<", image.size, [data], tags)


def tiff_file(
    order: str,
    size: tuple[int, int],
    planes: Sequence[bytes],
    tags: Mapping[int, Sequence[int]],
    *,
    packed: bool = False,
) -> bytes:
    """A TIFF of one strip for each plane, the first of them at byte 8. `order` as in struct."""
    strips = [zlib.compress(plane) if packed else plane for plane in planes]
    body = b"".join(strip + bytes(len(strip) % 2) for strip in strips)
    starts = [8 + sum(len(strip) + len(strip) % 2 for strip in strips[:index]) for index in range(len(strips))]
    described = {256: size[:1], 257: size[1:], 259: (8 if packed else 1,), 273: starts, 278: size[1:]}
    described |= {277: (len(tags[258]),), 279: [len(strip) for strip in strips], 284: (1 if len(planes) == 1 else 2,)}
    rows = b""
    for tag, values in sorted((described | dict(tags)).items()):
        value = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            body, value = body + value, struct.pack(order + "I", 8 + len(body))
        rows += struct.pack(order + "HHI", tag, 4, len(values)) + value
    head = struct.pack(order + "HI", 42, 8 + len(body))
    entries = struct.pack(order + "H", len(rows) // 12)
    return {"<": b"II", ">": b"MM"}[order] + head + body + entries + rows + bytes(4)


def pixels_of(image: Image.Image) -> list[tuple[int, ...]]:
    """In RGBA, row by row."""
    values = image.convert("RGBA").tobytes()
    return [tuple(values[place : place + 4]) for place in range(0, len(values), 4)]


def packed_rows(samples: Sequence[int], rows: int, bits: int, order: str = ">") -> Iterator[bytes]:
    """Samples of so many bits, the first in the highest, each row filled up to a byte; 16 bits in the order."""
    across = len(samples) // rows
    for place in range(0, len(samples), across):
        row = samples[place : place + across]
        if bits == 16:
            yield struct.pack(f"{order}{across}H", *row)
        else:
            text = "".join(f"{sample:0{bits}b}" for sample in row)
            yield (int(text, 2) << -len(text) % 8).to_bytes(-(-len(text) // 8), "big")


def cmyk(image: Image.Image) -> Image.Image:
    """In inks, as presses count them: none of black."""
    red, green, blue = ImageChops.invert(image.convert("RGB")).split()
    return Image.merge("CMYK", (red, green, blue, Image.new("L", image.size)))


def special_inks(image: Image.Image) -> Image.Image:
    """One ink for each of COLOURS: what is red in cyan, green in magenta, and so on, as `ink_profile` prints them."""
    shown = image.convert("RGB")
    apart = [ImageChops.difference(shown, Image.new("RGB", image.size, colour)) for colour in COLOURS]
    return Image.merge("CMYK", [each.convert("L").point(lambda value: 0 if value else 255) for each in apart])


Inks = Callable[[Image.Image], Image.Image]


def cmyk_file(format: str, inks: Inks = cmyk, **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    return lambda image, exif: encoded(inks(image), format, exif=exif, **options)


def ycck(inks: Inks = cmyk, **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    """A JPEG as Photoshop writes it: the inks as luminance and colour, then black. Pillow only reads it."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        *colours, black = inks(image).split()
        coded = [ImageChops.invert(band) for band in Image.merge("RGB", colours).convert("YCbCr").split()]
        # Pillow inverts all four on the way into the file; black shall be inverted there, the others not.
        body = encoded(Image.merge("CMYK", (*coded, black)), "JPEG", exif=exif, **options)
        adobe = body.index(b"Adobe")
        return body[: adobe + 11] + b"\x02" + body[adobe + 12 :]

    return build


def ink_profile() -> bytes:
    """A CMYK profile by which each ink alone prints as one of COLOURS and others as nothing: hard to overlook."""
    white, *shades = (255, 128, 128), (112, 192, 175), (147, 75, 180), (66, 177, 41), (218, 114, 208)  # Lab in 8 bits
    grid = b"".join(bytes(dict(zip((8, 4, 2, 1), shades, strict=True)).get(number, white)) for number in range(16))
    identity = struct.pack(">9i", *(65_536 if index % 4 == 0 else 0 for index in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + bytes(range(256)) * 4 + grid + bytes(range(256)) * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    white_point = struct.pack(">3i", 63_190, 65_536, 54_061)
    head = struct.pack(
        ">I4xI4s4s4s12x4s24x4x12s48x", 144 + len(table), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp", white_point
    )
    return head + tags + table


def swapped(format: str, mode: str = "RGB", **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    """Stored with red and blue changing places, and with a profile that says so."""

    def build(image: Image.Image, exif: bytes) -> bytes:
        red, green, blue, alpha = image.convert("RGBA").split()
        stored = Image.merge("RGBA", (blue, green, red, alpha)).convert(mode)
        return encoded(stored, format, exif=exif, icc_profile=srgb(swapped=True), **options)

    return build


def srgb(*, swapped: bool = False) -> bytes:
    """Its profile; or with red and blue changing places, which nobody can overlook."""
    block = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not swapped:
        return block
    return block.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)


KINDS: Mapping[str, Kind] = {
    "JPEG": Kind(build=saved("JPEG")),
    "JPEG, progressive": Kind(build=saved("JPEG", progressive=True)),
    "JPEG, grey": Kind(build=saved("JPEG", "L"), colours=GREYS),
    "JPEG, sRGB profile": Kind(build=saved("JPEG", icc_profile=srgb())),
    "JPEG, CMYK": Kind(build=cmyk_file("JPEG"), tolerance=8),
    "JPEG, CMYK, a profile of no use": Kind(build=cmyk_file("JPEG", icc_profile=srgb()), tolerance=8),
    "JPEG, CMYK, profile": Kind(build=cmyk_file("JPEG", special_inks, icc_profile=ink_profile()), tolerance=12),
    "JPEG, YCCK": Kind(build=ycck(), tolerance=8),
    "JPEG, YCCK, profile": Kind(build=ycck(special_inks, icc_profile=ink_profile()), tolerance=12),
    "JPEG, profile": Kind(build=swapped("JPEG"), tolerance=8),
    "MPO": Kind(build=animated("MPO")),
    "PNG": Kind(build=saved("PNG")),
    "PNG, alpha": Kind(build=saved("PNG", "RGBA"), colours=CLEAR_ONE),
    "PNG, grey": Kind(build=saved("PNG", "L"), colours=GREYS),
    "PNG, grey, alpha": Kind(build=saved("PNG", "LA"), colours=GREYS_CLEAR_ONE),
    "PNG, palette": Kind(build=palette),
    "PNG, palette, transparency": Kind(build=palette_clear, colours=CLEAR_ONE, tolerance=20),
    "PNG, 1 bit": Kind(build=saved("PNG", "1"), colours=(WHITE, BLACK, BLACK, BLACK)),
    "PNG, 16 bits, grey": Kind(build=grey_16("PNG"), colours=GREYS),
    "PNG, 16 bits": Kind(build=png_16()),
    "PNG, 2 bits, grey, transparency": Kind(build=png_grey(2), colours=GREYS_CLEAR_ONE_OF_FEW),
    "PNG, 4 bits, grey, transparency": Kind(build=png_grey(4), colours=GREYS_CLEAR_ONE_OF_FEW),
    "PNG, 16 bits, grey, transparency": Kind(build=png_grey(16), colours=GREYS_CLEAR_ONE),
    "PNG, 16 bits, transparency": Kind(build=png_16(clear=True), colours=CLEAR_ONE),
    "PNG, alpha, profile": Kind(build=swapped("PNG", "RGBA"), colours=CLEAR_ONE),
    "PNG, animated": Kind(build=animated("PNG"), animated=True),
    "PNG, animated, another picture in front": Kind(build=animated_behind, animated=True),
    "PNG, a frame for a part, another picture in front": Kind(build=animated_in_part, colours=UPPER_HALF),
    "WebP": Kind(build=saved("WEBP", lossless=False, quality=95), tolerance=12),
    "WebP, lossless": Kind(build=saved("WEBP")),
    "WebP, alpha": Kind(build=saved("WEBP", "RGBA"), colours=CLEAR_ONE),
    "WebP, profile": Kind(build=swapped("WEBP")),
    "WebP, animated": Kind(build=animated("WEBP"), animated=True),
    "AVIF": Kind(build=saved("AVIF"), tolerance=12),
    "AVIF, alpha": Kind(build=saved("AVIF", "RGBA"), colours=CLEAR_ONE, tolerance=12),
    "AVIF, profile": Kind(build=swapped("AVIF"), tolerance=12),
    "AVIF, grey": Kind(build=saved("AVIF", "L"), colours=GREYS, tolerance=12),
    "TIFF": Kind(build=tiff()),
    "TIFF, LZW": Kind(build=tiff(compression="tiff_lzw")),
    "TIFF, JPEG inside": Kind(build=tiff(compression="jpeg", quality=95), tolerance=12),
    "TIFF, fax": Kind(build=tiff("1", compression="group4"), colours=(WHITE, BLACK, BLACK, BLACK)),
    "TIFF, alpha": Kind(build=tiff("RGBA"), colours=CLEAR_ONE),
    "TIFF, CMYK, profile": Kind(build=cmyk_file("TIFF", special_inks, icc_profile=ink_profile()), tolerance=8),
    "TIFF, CMYK": Kind(build=cmyk_file("TIFF"), tolerance=8),
    "TIFF, 16 bits, grey": Kind(build=grey_16("TIFF"), colours=GREYS),
    "TIFF, 16 bits, grey, big-endian": Kind(build=tiff_grey(">", 16), colours=GREYS),
    "TIFF, 16 bits, grey, big-endian, packed": Kind(build=tiff_grey(">", 16, packed=True), colours=GREYS),
    "TIFF, 16 bits, grey, 0 is white": Kind(build=tiff_grey("<", 16, white=0), colours=GREYS),
    "TIFF, 16 bits, grey, 0 is white, packed": Kind(build=tiff_grey("<", 16, white=0, packed=True), colours=GREYS),
    "TIFF, 12 bits, grey": Kind(build=tiff_grey("<", 12), colours=GREYS),
    **{
        f"TIFF, 16 bits, {order}{', planes' * planar}{', packed' * packed}": Kind(
            build=tiff_deep(order, planar=planar, packed=packed)
        )
        for order, planar, packed in itertools.product("<>", (False, True), (False, True))
    },
    "TIFF, 16 bits, alpha": Kind(build=tiff_deep("<", "RGBA"), colours=CLEAR_ONE),
    "TIFF, 16 bits, alpha, planes": Kind(build=tiff_deep("<", "RGBA", planar=True), colours=CLEAR_ONE),
    "TIFF, 16 bits, CMYK": Kind(build=tiff_deep(">", "CMYK"), tolerance=8),
    "TIFF, 16 bits, CMYK, planes": Kind(build=tiff_deep("<", "CMYK", planar=True), tolerance=8),
    "TIFF, planes": Kind(build=tiff_planes("RGB")),
    "TIFF, planes, 1 bit": Kind(build=tiff_planes("1"), colours=(WHITE, BLACK, BLACK, BLACK)),
    "TIFF, YCbCr": Kind(build=tiff_ycbcr, tolerance=8),
    "TIFF, pages": Kind(build=animated("TIFF")),
}
