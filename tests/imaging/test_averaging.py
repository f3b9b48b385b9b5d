"""Modes that must be changed before pixels are averaged, some rows at a time."""

import struct

import pytest
from PIL import Image, ImageChops

from media_catalog.imaging import averaging
from tests.imaging.kinds import tiff_grey
from tests.imaging.pictures import decoded, encoded, exif, photo, rendered, spec

SIZE = (70, 53)


def clear_downwards() -> Image.Image:
    image = photo(*SIZE)
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return image


def grey_16(mode: str) -> Image.Image:
    return photo(*SIZE).convert("L").convert("I").point(lambda value: value * 257).convert(mode)


PICTURES = {
    "1": (photo(*SIZE).convert("1"), "L"),
    "P": (photo(*SIZE).quantize(32), "RGB"),
    "P, clear": (decoded(encoded(clear_downwards().quantize(32, Image.Quantize.FASTOCTREE))), "RGBA"),
    "PA": (clear_downwards().quantize(32, Image.Quantize.FASTOCTREE).convert("PA"), "RGBA"),
    "RGBX": (photo(*SIZE).convert("RGBX"), "RGB"),
    "RGBA": (clear_downwards(), "RGBA"),
    "RGBa": (clear_downwards().convert("RGBa"), "RGBA"),
    "LA": (clear_downwards().convert("LA"), "LA"),
    "La": (clear_downwards().convert("LA").convert("La"), "LA"),
}
MIXED = {"LA": "La", "RGBA": "RGBa"}


def averaged(image: Image.Image) -> Image.Image:
    return image if averaging.is_ready(image) else averaging.averaged(image, (1, 1), mixed=False)


def assert_same(found: Image.Image, wanted: Image.Image) -> None:
    assert (found.mode, found.size) == (wanted.mode, wanted.size)
    # Premultiplied modes have no difference of their own.
    assert found.tobytes() == wanted.tobytes()


@pytest.fixture(autouse=True, params=[70 * 7, 1, 10_000], ids=["strips", "rows", "whole"])
def _strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averaging, "_STRIP_PIXELS", request.param)


@pytest.mark.parametrize("factor", [(1, 1), (2, 3), (1, 4), (70, 53)])
@pytest.mark.parametrize("name", PICTURES)
def test_strips_are_as_the_whole(name: str, factor: tuple[int, int]) -> None:
    image, mode = PICTURES[name]
    straight = image.convert(mode)

    assert_same(averaging.averaged(image, factor, mixed=True), straight.convert(MIXED.get(mode, mode)).reduce(factor))
    assert_same(averaging.averaged(image, (1, 1), mixed=False), straight)


@pytest.mark.parametrize("place", [(10, 5, 40, 30), (0, 50, 70, 53), (69, 0, 70, 1), (30, 30, 30, 30), (0, 0, 70, 53)])
@pytest.mark.parametrize("name", [*PICTURES, "I;16", "L", "RGB"])
def test_what_is_outside_of_the_place_is_clear(name: str, place: averaging.Place) -> None:
    image = PICTURES[name][0] if name in PICTURES else grey_16(name) if name == "I;16" else photo(*SIZE).convert(name)
    whole = averaged(image)
    mode = whole.mode if whole.mode in MIXED else whole.mode + "A"
    wanted = Image.new(mode, SIZE)
    wanted.paste(whole.convert(mode).crop(place), place)

    assert_same(averaging.averaged(image, (1, 1), mixed=False, place=place), wanted)
    found = averaging.averaged(image, (3, 2), mixed=True, place=place)
    assert_same(found, wanted.convert(MIXED[mode]).reduce((3, 2)))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bits(mode: str) -> None:
    assert_same(averaging.averaged(grey_16(mode), (2, 2), mixed=True), photo(*SIZE).convert("L").reduce(2))


@pytest.mark.parametrize(("white", "sample"), [(1, 16_624), (0, 65_535 - 16_624)])
def test_shades_are_rounded(white: int, sample: int) -> None:
    body = bytearray(tiff_grey("<", 16, white=white)(Image.new("L", (1, 1)), exif(orientation=1)))
    struct.pack_into("<H", body, 8, sample)

    # 16,624 / 257 = 64.7
    assert rendered(bytes(body), spec(1, None)).getpixel((0, 0)) == 65


def test_one_grey_of_sixteen_bits_that_is_clear() -> None:
    image = grey_16("I;16")
    image.paste(Image.new("I;16", (70, 20), 0x1234), (0, 0))
    image.info["transparency"] = 0x1234

    found = averaging.averaged(image, (1, 1), mixed=False)

    opaque = Image.new("L", SIZE, 255)
    opaque.paste(0, (0, 0, 70, 20))
    assert_same(found.getchannel("A"), opaque)
    assert not ImageChops.difference(found.getchannel("L"), photo(*SIZE).convert("L")).crop((0, 20, *SIZE)).getbbox()


@pytest.mark.parametrize("colour", [(200, 30, 30, 1), (1, 2, 3, 77)])
def test_faint_colours_keep_their_precision_where_nothing_is_averaged(colour: tuple[int, ...]) -> None:
    image = Image.new("RGBA", SIZE, colour)

    assert rendered(encoded(image), spec(*SIZE)).getpixel((9, 9)) == colour
