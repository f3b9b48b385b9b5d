"""Alpha, palettes, CMYK, 16 bits, profiles; and no metadata in what comes out."""

import struct
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tests.imaging.kinds import srgb
from tests.imaging.pictures import (
    BLUE,
    RED,
    WHITE,
    decoded,
    encoded,
    exif,
    made,
    near,
    pixel,
    plain,
    png_chunk,
    rendered,
    spec,
)

CLEAR = (0, 0, 0, 0)
FORMATS = ["JPEG", "PNG", "WEBP"]


def half_clear(colour: tuple[int, ...] = RED) -> Image.Image:
    """Opaque on the left, fully transparent on the right."""
    image = plain(80, 40, CLEAR)
    image.paste((*colour, 255), (0, 0, 40, 40))
    return image


def palette(image: Image.Image, **options: Any) -> bytes:
    return encoded(image.convert("P", palette=Image.Palette.ADAPTIVE), **options)


def grey_clear() -> Image.Image:
    image = Image.new("LA", (80, 40), (90, 255))
    image.paste((0, 0), (40, 0, 80, 40))
    return image


def sixteen_bits(value: int) -> Image.Image:
    """16-bit grey of that value on the left, of 65,535 on the right."""
    image = Image.new("I;16", (80, 40), value)
    image.paste(65_535, (40, 0, 80, 40))
    return image


@pytest.mark.parametrize(
    ("source", "left"),
    [
        (encoded(half_clear()), RED),
        (encoded(half_clear(), "WEBP"), RED),
        (encoded(half_clear().quantize(16)), RED),
        (encoded(grey_clear()), (90, 90, 90)),
        (encoded(plain(40, 40).quantize(2), transparency=0), None),
        (encoded(Image.new("L", (40, 40), 9), transparency=9), None),
        (encoded(Image.new("1", (40, 40), 1), transparency=255), None),
        (encoded(plain(40, 40), transparency=RED), None),
        (encoded(Image.new("I;16", (40, 40), 30_000), transparency=30_000), None),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_transparency_is_kept_or_laid_on_white(source: bytes, left: tuple[int, ...] | None, format: str) -> None:
    image = rendered(source, spec(20, None, format=format))
    right = pixel(image, 18, 3)

    assert near(right, WHITE) if format == "JPEG" else right[3] == 0
    if left:
        assert near(pixel(image, 2, 3)[:3], left)


def test_half_transparent_pixels_mix_with_white_and_take_no_colour_from_hidden_ones() -> None:
    image = plain(80, 40, (0, 255, 0, 0))
    image.paste((200, 0, 0, 128), (0, 0, 40, 40))

    flat = rendered(encoded(image), spec(5, None, format="JPEG", quality=100))
    kept = rendered(encoded(image), spec(5, None))

    assert near(pixel(flat, 0, 1), (227, 127, 127))
    # The middle column mixes both halves: fainter, but still pure red.
    assert near(pixel(kept, 2, 1)[:3], (200, 0, 0), tolerance=12)


@pytest.mark.parametrize(
    ("source", "colour"),
    [
        (palette(plain(60, 40)), RED),
        (encoded(Image.new("CMYK", (60, 40), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
        (encoded(Image.new("CMYK", (60, 40), (0, 0, 0, 255)), "JPEG"), (0, 0, 0)),
        (encoded(Image.new("L", (60, 40), 77), "JPEG"), (77, 77, 77)),
        (encoded(Image.new("L", (60, 40), 77)), (77, 77, 77)),
        (encoded(Image.new("1", (60, 40), 1)), WHITE),
        (encoded(sixteen_bits(77 * 257)), (77, 77, 77)),
        (encoded(sixteen_bits(0)), (0, 0, 0)),
        (encoded(sixteen_bits(65_535)), WHITE),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_of_pixel_comes_out_in_its_colour(source: bytes, colour: tuple[int, ...], format: str) -> None:
    image = rendered(source, spec(30, None, format=format))

    assert image.mode in ("L", "RGB")
    assert near(pixel(image, 5, 10), colour)


@pytest.mark.parametrize(("mode", "shown"), [("1", "L"), ("P", "RGB")])
def test_fine_lines_of_a_picture_with_few_colours_become_shades(mode: str, shown: str) -> None:
    lines = Image.new(mode, (80, 40), 0)
    for left in range(0, 80, 2):
        lines.paste(1 if mode == "1" else 255, (left, 0, left + 1, 40))
    if mode == "P":
        lines.putpalette([value for grey in range(256) for value in (grey, grey, grey)])

    image = rendered(encoded(lines), spec(40, None))

    assert image.mode == shown
    assert near(pixel(image, 20, 10), (128, 128, 128), tolerance=10)


def test_sixteen_bits_are_rounded_to_eight() -> None:
    # 16,624 / 257 = 64.7
    assert rendered(encoded(sixteen_bits(16_624)), spec(80, None)).getpixel((5, 5)) == 65


@pytest.mark.parametrize("image", [plain(60, 40), plain(60, 40, (*RED, 200))])
def test_colours_are_brought_from_their_profile_to_srgb(image: Image.Image) -> None:
    for format in ("PNG", "WEBP") if image.mode == "RGBA" else FORMATS:
        odd = rendered(encoded(image, format, icc_profile=srgb(swapped=True)), spec(30, None))
        usual = rendered(encoded(image, format, icc_profile=srgb(swapped=False)), spec(30, None))

        assert near(pixel(odd, 5, 5)[:3], BLUE, tolerance=12)
        assert near(pixel(usual, 5, 5)[:3], RED)
        assert odd.mode == image.mode


@pytest.mark.parametrize(
    "image", [plain(60, 40), Image.new("CMYK", (60, 40), (0, 221, 221, 55)), Image.new("L", (60, 40), 200)]
)
def test_a_broken_or_foreign_profile_is_dropped(image: Image.Image) -> None:
    grey = image.mode == "L"
    for icc in (b"no profile at all", srgb(swapped=True)[:300], *([srgb(swapped=True)] if grey else [])):
        shown = rendered(encoded(image, "JPEG", icc_profile=icc), spec(30, None))

        assert near(pixel(shown, 5, 5), (200, 200, 200) if grey else RED, tolerance=8)


def test_steps_of_a_profile_in_floating_point_are_passed_over_for_what_every_profile_has() -> None:
    icc = srgb(swapped=True)
    assert icc.count(b"chrm") == 2

    shown = rendered(encoded(plain(60, 40), icc_profile=icc.replace(b"chrm", b"D2B0", 1)), spec(30, None))

    assert near(pixel(shown, 5, 5), BLUE, tolerance=12)


def exif_with_thumbnail() -> bytes:
    """A second directory behind the first: a JPEG with a comment, and other settings of the camera."""
    block = exif(orientation=6)
    tiff = bytearray(block[6:])
    order = {b"II": "<", b"MM": ">"}[bytes(tiff[:2])]
    thumbnail = encoded(plain(16, 16), "JPEG", comment=b"SECRETTHUMBNAIL")
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, first)
    struct.pack_into(order + "I", tiff, first + 2 + 12 * count, len(tiff))
    tags = ((0x0201, 4, 1, len(tiff) + 30), (0x0202, 4, 1, len(thumbnail)))
    tiff += struct.pack(order + "H", len(tags)) + b"".join(struct.pack(order + "HHII", *tag) for tag in tags) + bytes(4)
    return block[:6] + tiff + thumbnail


def with_metadata(format: str) -> bytes:
    """A file that carries all the metadata its format can."""
    icc = srgb() + b"SECRETPROFILE"
    options: dict[str, Any] = {"exif": exif_with_thumbnail(), "icc_profile": icc}
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRETTEXT")
        text.add_itxt("XML:com.adobe.xmp", "<x>SECRETXMP</x>")
        options |= {"pnginfo": text, "dpi": (300, 300)}
    else:
        options |= {"xmp": b"<x>SECRETXMP</x>"}
    if format == "JPEG":
        options |= {"comment": b"SECRETTEXT", "dpi": (300, 300)}
    body = encoded(plain(60, 40), format, **options)
    return body[:2] + iptc() + body[2:] if format == "JPEG" else body


def iptc() -> bytes:
    """An APP13 segment as Photoshop writes it, with an author."""
    author = b"\x1c\x02\x50\x00\x0cSECRETAUTHOR"
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(author)) + author + b"\0" * (len(author) % 2)
    return b"\xff\xed" + struct.pack(">H", 16 + len(resource)) + b"Photoshop 3.0\0" + resource


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("format", FORMATS)
def test_no_metadata_comes_out(source: str, format: str) -> None:
    body = with_metadata(source)
    told = [b"MAKER", b"THUMBNAIL", b"XMP", b"TEXT", b"PROFILE", b"AUTHOR"]
    # PNG packs its profile; only JPEG has room for an author, and WebP none for a text.
    lacking = {"PNG": (b"PROFILE", b"AUTHOR"), "WEBP": (b"TEXT", b"AUTHOR"), "JPEG": ()}[source]
    assert [secret for secret in told if b"SECRET" + secret not in body] == list(lacking)

    # Once shrunk and once as it is, which takes another way through Pillow.
    for rendition in made(body, spec(20, None, format=format), spec(400, None, format=format)):
        image = decoded(rendition.body)

        assert b"SECRET" not in rendition.body
        assert not image.getexif()
        jfif = {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        frames = {"loop", "background", "timestamp", "duration"}
        assert set(image.info) <= jfif | frames


def test_a_palette_with_fewer_transparencies_than_colours() -> None:
    body = encoded(half_clear().quantize(4))
    image = rendered(body[:33] + png_chunk(b"gAMA", struct.pack(">I", 45_455)) + body[33:], spec(20, None))

    assert pixel(image, 18, 3)[3] == 0
    assert near(pixel(image, 2, 3), (*RED, 255))
