"""Every kind of picture in all eight orientations: the right pixels in every format that we write."""

import io
import struct

import pytest
from PIL import Image, ImageChops

from media_catalog.imaging.formats import WRITTEN
from media_catalog.imaging.probe import look
from media_catalog.imaging.renditions import make_here
from tests.imaging.kinds import CLEAR, CLEAR_ONE, COLOURS, KINDS, Colours, ink_profile
from tests.imaging.pictures import (
    ALL,
    RED,
    STORED,
    WHITE,
    YELLOW,
    corners,
    decoded,
    encoded,
    exif,
    near,
    pixel,
    plain,
    quarters,
    rendered,
    spec,
    stored,
)

BACKGROUND = (10, 200, 250)
SIZE, SMALL = (61, 41), (36, 24)


def shown(colours: Colours, format: str) -> Colours:
    """What must be seen of these colours: a format without alpha shows the background instead."""
    if format != "JPEG":
        return colours
    return [colour[:3] if colour[3:] != (0,) else BACKGROUND for colour in colours]


def assert_shows(body: bytes, colours: Colours, tolerance: int) -> None:
    image = decoded(body)
    assert image.format
    for found, wanted in zip(corners(image), shown(colours, image.format), strict=True):
        # The colour of what is fully transparent is nobody's business.
        assert near(found, wanted, tolerance) or (found[3:] == wanted[3:] == (0,)), (image.format, corners(image))


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("name", KINDS)
def test_kind(name: str, orientation: int) -> None:
    kind = KINDS[name]
    body = kind.build(stored(orientation, *SIZE, kind.colours), exif(orientation=orientation))

    found = look(io.BytesIO(body), limits=ALL)
    # In this process, where a decoder that crashes would end the tests; test_apart has the child process.
    asked = [spec(*SMALL, format=format, background=BACKGROUND, quality=95) for format in WRITTEN]
    renditions = make_here(body, asked, limits=ALL)

    assert (found.width, found.height, found.animated) == (*SIZE, kind.animated)
    assert found.alpha == (len(kind.colours[0]) == 4)
    for rendition in renditions:
        assert (rendition.width, rendition.height) == SMALL
        assert not decoded(rendition.body).getexif()
        assert b"SECRET" not in rendition.body
        assert_shows(rendition.body, kind.colours, kind.tolerance + (8 if rendition.format == "AVIF" else 4))


@pytest.mark.parametrize("orientation", [4, 6])
@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith(("JPEG", "MPO"))])
def test_a_large_jpeg_is_decoded_small_and_turned(name: str, orientation: int, decodes: list[tuple[int, int]]) -> None:
    kind = KINDS[name]
    body = kind.build(stored(orientation, 61 * 20, 41 * 20, kind.colours), exif(orientation=orientation))

    image = rendered(body, spec(*SMALL))

    assert decodes[0] == ((153, 103) if orientation == 4 else (103, 153))
    assert image.size == SMALL
    assert all(near(*each, kind.tolerance) for each in zip(corners(image), kind.colours, strict=True)), corners(image)


@pytest.mark.parametrize("colours", [COLOURS, CLEAR_ONE])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize(("kind", "rendered_as"), [("GIF", "PNG"), ("AVIF", "AVIF")])
def test_kinds_that_are_never_turned(kind: str, rendered_as: str, colours: Colours, frames: int) -> None:
    """GIF knows no orientation; Pillow crashes when it is to write one into an animated AVIF."""
    image = quarters(*SIZE, colours)
    body = encoded(image, kind, save_all=True, append_images=[ImageChops.offset(image, 9)] * (frames > 1))

    found = look(io.BytesIO(body), limits=ALL)

    assert (found.animated, found.alpha, found.orientation) == (frames > 1, colours is CLEAR_ONE, 1)
    for format in ("PNG", "JPEG", "source"):
        (rendition,) = make_here(body, [spec(*SMALL, format=format, background=BACKGROUND)], limits=ALL)
        assert rendition.format == (rendered_as if format == "source" else format)
        assert_shows(rendition.body, colours, 16)


def gif_of_a_part(place: tuple[int, int], **options: object) -> bytes:
    """A GIF whose first frame has COLOURS and less than the screen, of SIZE."""
    body = bytearray(encoded(quarters(31, 21, COLOURS), "GIF", **options))
    descriptor = body.index(b",", 13 + (3 << (body[10] & 7) + 1))
    struct.pack_into("<HH", body, 6, *SIZE)
    struct.pack_into("<HH", body, descriptor + 1, *place)
    return bytes(body)


def webp_of_a_part(place: tuple[int, int]) -> bytes:
    """An animation without alpha of one such frame."""
    frame = encoded(quarters(31, 21, COLOURS), "WEBP")[12:]
    control = b"".join(value.to_bytes(3, "little") for value in (place[0] // 2, place[1] // 2, 30, 20, 0)) + b"\0"
    canvas = b"".join((side - 1).to_bytes(3, "little") for side in SIZE)
    chunks = ((b"VP8X", b"\2\0\0\0" + canvas), (b"ANIM", bytes(6)), (b"ANMF", control + frame))
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("body", "animated"),
    [
        (gif_of_a_part((30, 20)), False),
        (gif_of_a_part((30, 20), transparency=200), False),
        (gif_of_a_part((30, 20), save_all=True, append_images=[plain(31, 21)]), True),
        (webp_of_a_part((30, 20)), False),
    ],
    ids=["GIF", "transparency", "animated", "WebP"],
)
def test_what_the_first_frame_leaves_bare_is_clear(body: bytes, animated: bool) -> None:
    found = look(io.BytesIO(body), limits=ALL)
    whole = rendered(body, spec(*SIZE))
    small, on_ground = (
        rendered(body, spec(*SMALL, format=format, background=BACKGROUND)) for format in ("PNG", "JPEG")
    )

    assert (found.width, found.height, found.alpha, found.animated) == (*SIZE, True, animated)
    assert corners(whole)[:3] == [CLEAR] * 3
    assert corners(whole.crop((30, 20, *SIZE))) == [(*colour, 255) for colour in COLOURS]
    assert pixel(whole, 29, 40) == pixel(whole, 60, 19) == CLEAR
    assert corners(small)[:3] == [CLEAR] * 3
    assert near(corners(small)[3], (*YELLOW, 255))
    assert near(corners(on_ground)[0], BACKGROUND)


def test_inks_are_shown_as_their_profile_says() -> None:
    cyan = Image.new("CMYK", SIZE, (255, 0, 0, 0))

    told = rendered(encoded(cyan, "JPEG", icc_profile=ink_profile()), spec(*SMALL))
    untold = rendered(encoded(cyan, "JPEG"), spec(*SMALL))

    assert near(pixel(told, 9, 9), RED, tolerance=12)
    assert near(pixel(untold, 9, 9), (0, 255, 255))


@pytest.mark.parametrize(("size", "small"), [((1, 1), (1, 1)), ((1, 10_000), (1, 24)), ((10_000, 1), (36, 1))])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_no_side_vanishes(format: str, size: tuple[int, int], small: tuple[int, int]) -> None:
    for asked in ("PNG", "AVIF"):
        image = rendered(encoded(plain(*size), format), spec(*SMALL, format=asked))

        assert image.size == small
        assert near(pixel(image, 0, 0), (200, 30, 30), tolerance=16)


def test_the_background_is_white_unless_the_spec_says_otherwise() -> None:
    body = encoded(plain(*SIZE, (0, 0, 0, 0)))

    assert near(pixel(rendered(body, spec(*SMALL, format="JPEG")), 5, 5), WHITE)
    assert near(pixel(rendered(body, spec(*SMALL, format="JPEG", background=BACKGROUND)), 5, 5), BACKGROUND)


def test_a_grey_picture_gets_a_background_in_colour() -> None:
    body = encoded(Image.new("LA", SIZE, (0, 0)))

    assert near(pixel(rendered(body, spec(*SMALL, format="JPEG", background=BACKGROUND)), 5, 5), BACKGROUND)


def test_blur_softens_edges_within_its_radius() -> None:
    image = Image.new("RGB", (100, 40))
    image.paste(WHITE, (50, 0, 100, 40))

    sharp = rendered(encoded(image), spec(100, None))
    soft = rendered(encoded(image), spec(100, None, blur=5))

    assert [pixel(sharp, x, 20)[0] for x in (10, 47, 52, 90)] == [0, 0, 255, 255]
    assert pixel(soft, 10, 20)[0] == 0 < pixel(soft, 47, 20)[0] < pixel(soft, 52, 20)[0] < pixel(soft, 90, 20)[0] == 255


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_blur_takes_no_colour_from_what_is_clear(mode: str) -> None:
    image = Image.new("RGBA", (100, 40), (255, 255, 255, 0))
    image.paste((0, 0, 0, 255), (50, 0, 100, 40))

    soft = rendered(encoded(image.convert(mode)), spec(100, None, blur=5))

    faint = pixel(soft, 47, 20)
    assert 0 < faint[3] < 255
    assert near(faint[:3], (0, 0, 0))
