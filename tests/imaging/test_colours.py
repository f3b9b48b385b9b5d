"""Alpha, palettes, CMYK, 16 bits, profiles; and no metadata in what comes out."""

import struct
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

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


def profile(*, swapped: bool) -> bytes:
    """sRGB; or with red and blue changing places, which nobody can overlook."""
    block = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not swapped:
        return block
    return block.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)


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
        odd = rendered(encoded(image, format, icc_profile=profile(swapped=True)), spec(30, None))
        usual = rendered(encoded(image, format, icc_profile=profile(swapped=False)), spec(30, None))

        assert near(pixel(odd, 5, 5)[:3], BLUE, tolerance=12)
        assert near(pixel(usual, 5, 5)[:3], RED)
        assert odd.mode == image.mode


@pytest.mark.parametrize(
    "image", [plain(60, 40), Image.new("CMYK", (60, 40), (0, 221, 221, 55)), Image.new("L", (60, 40), 200)]
)
def test_a_broken_or_foreign_profile_is_dropped(image: Image.Image) -> None:
    grey = image.mode == "L"
    for icc in (b"no profile at all", profile(swapped=True)[:300], *([profile(swapped=True)] if grey else [])):
        shown = rendered(encoded(image, "JPEG", icc_profile=icc), spec(30, None))

        assert near(pixel(shown, 5, 5), (200, 200, 200) if grey else RED, tolerance=8)


def with_metadata(format: str) -> bytes:
    """A file that carries all the metadata its format can."""
    options: dict[str, Any] = {"exif": exif(orientation=6), "icc_profile": profile(swapped=False)}
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRETTEXT")
        text.add_itxt("XML:com.adobe.xmp", "<x>SECRETXMP</x>")
        options |= {"pnginfo": text, "dpi": (300, 300)}
    else:
        options |= {"xmp": b"<x>SECRETXMP</x>"}
    if format == "JPEG":
        options |= {"comment": b"SECRETTEXT", "dpi": (300, 300)}
    return encoded(plain(60, 40), format, **options)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("format", FORMATS)
def test_no_metadata_comes_out(source: str, format: str) -> None:
    body = with_metadata(source)
    assert b"SECRETMAKER" in body

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
