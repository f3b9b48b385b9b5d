"""Sizes, modes, formats and quality of finished renditions."""

import math
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.geometry import target_size
from media_catalog.imaging.renditions import Spec, make
from tests.imaging.pictures import (
    BLUE,
    GREEN,
    LIMITS,
    RED,
    decoded,
    encoded,
    exif,
    made,
    near,
    photo,
    pixel,
    plain,
    rendered,
    spec,
)

Size = tuple[int, int]

FORMATS = ["JPEG", "PNG", "WEBP"]
PRESETS = (
    spec(200, None, slug="thumbnail"),
    spec(1024, 1024, "fill", slug="very-high"),
    spec(1024, 786, "fill", slug="high"),
    spec(786, 786, "fill", slug="medium"),
    spec(124, 124, "fill", slug="low"),
)


def stripes(width: int, height: int) -> Image.Image:
    """Three upright stripes of the same width: red, green, blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 3, 0, width * 2 // 3, height))
    image.paste(BLUE, (width * 2 // 3, 0, width, height))
    return image


def psnr(found: Image.Image, wanted: Image.Image) -> float:
    """In dB, over all bands."""
    means = ImageStat.Stat(ImageChops.difference(found, wanted)).sum2
    error = sum(means) / (len(means) * found.width * found.height)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@pytest.mark.parametrize("format", FORMATS)
def test_modes_show_the_right_part(format: str) -> None:
    body = encoded(stripes(300, 100), format)

    fitted = rendered(body, spec(60, 60, "fit"))
    filled = rendered(body, spec(50, 50, "fill"))
    stretched = rendered(body, spec(60, 60, "stretch"))

    assert (fitted.size, filled.size, stretched.size) == ((60, 20), (50, 50), (60, 60))
    for image in (fitted, stretched):
        for x, colour in ((8, RED), (30, GREEN), (52, BLUE)):
            assert near(pixel(image, x, image.height // 2), colour)
    for x in (4, 25, 45):
        assert near(pixel(filled, x, 25), GREEN)


@pytest.mark.parametrize("mode", ["fit", "fill", "stretch"])
@pytest.mark.parametrize("upscale", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1)])
@pytest.mark.parametrize("format", FORMATS)
def test_the_thinnest_pictures(mode: str, upscale: bool, size: tuple[int, int], format: str) -> None:
    body = encoded(plain(*size), format)

    thumbnail = rendered(body, spec(200, None, mode, allow_upscale=upscale))
    boxed = rendered(body, spec(200, 120, mode, allow_upscale=upscale))

    assert min(*thumbnail.size, *boxed.size) >= 1
    assert near(pixel(thumbnail, 0, 0), RED)
    assert near(pixel(boxed, 0, 0), RED)


def test_a_small_picture_is_cut_but_not_enlarged_by_fill() -> None:
    body = encoded(stripes(300, 100))

    image = rendered(body, spec(900, 900, "fill"))

    assert image.tobytes() == stripes(300, 100).crop((100, 0, 200, 100)).tobytes()


def test_a_small_picture_is_enlarged_where_the_spec_says_so() -> None:
    image = rendered(encoded(stripes(300, 100)), spec(600, 600, "fill", allow_upscale=True))

    assert image.size == (600, 600)
    assert near(pixel(image, 300, 300), GREEN)


def test_renditions_come_in_the_order_of_their_specs_and_describe_themselves() -> None:
    specs = [
        spec(20, None, slug="small", format="WEBP"),
        spec(90, None, slug="large", format="source"),
        spec(30, 30, "fill", slug="square", format="PNG"),
        spec(10, None, slug="tiny", format="JPEG"),
    ]

    renditions = made(encoded(plain(120, 80), "JPEG"), *specs)

    assert [(r.slug, r.width, r.height, r.format, r.content_type) for r in renditions] == [
        ("small", 20, 13, "WEBP", "image/webp"),
        ("large", 90, 60, "JPEG", "image/jpeg"),
        ("square", 30, 30, "PNG", "image/png"),
        ("tiny", 10, 7, "JPEG", "image/jpeg"),
    ]
    assert [decoded(r.body).size for r in renditions] == [(r.width, r.height) for r in renditions]
    assert [decoded(r.body).format for r in renditions] == [r.format for r in renditions]


@pytest.mark.parametrize("format", FORMATS)
def test_source_means_the_format_of_the_original(format: str) -> None:
    (rendition,) = made(encoded(plain(60, 40), format), spec(30, None, format="source"))

    assert (rendition.format, decoded(rendition.body).format) == (format, format)


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_quality_is_obeyed(format: str) -> None:
    low, high = made(
        encoded(photo(300, 200)),
        spec(200, None, format=format, quality=30),
        spec(200, None, format=format, quality=95),
    )

    assert len(low.body) * 2 < len(high.body)


@pytest.mark.parametrize(("format", "size"), [("JPEG", (2000, 1500)), ("PNG", (4000, 3000)), ("WEBP", (4000, 3000))])
def test_one_decode_for_all(format: str, size: tuple[int, int], decodes: list[tuple[int, int]]) -> None:
    made(encoded(plain(4000, 3000), format), *PRESETS)

    # A JPEG at half its size: it still covers the largest, 1366 × 1024 before the crop.
    assert decodes == [size]


def test_nothing_is_decoded_for_nothing(decodes: list[tuple[int, int]]) -> None:
    assert made(encoded(plain(60, 40))) == []
    assert decodes == []


@pytest.mark.parametrize(
    "specs",
    [
        PRESETS,
        (spec(700, 700, "fill"),),
        (spec(720, None),),
        (spec(1000, None), spec(500, None), spec(250, None)),
        (spec(200, 900, "stretch"),),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_as_good_as_resampling_each_from_a_full_decode(specs: tuple[Spec, ...], orientation: int) -> None:
    body = encoded(photo(2901, 2203), "JPEG", quality=90, subsampling=2, exif=exif(orientation=orientation))
    full = ImageOps.exif_transpose(decoded(body))

    for asked, rendition in zip(specs, made(body, *specs), strict=True):
        target = target_size(asked, *full.size)
        wanted = full.resize((target.width, target.height), Image.Resampling.LANCZOS, box=target.box_on(*full.size))
        assert psnr(decoded(rendition.body), wanted) >= 45, asked


@pytest.mark.parametrize(
    ("widths", "sources"),
    [
        ((800, 400, 200), (800, 400)),
        ((200, 800, 400), (800, 400)),
        # Too close to each other: all from the first, or each would be softer than the one before.
        ((800, 760, 720), (800, 800)),
    ],
)
def test_each_comes_from_the_smallest_that_is_large_enough(
    widths: tuple[int, ...], sources: tuple[int, ...], resizes: list[tuple[Size, Size]]
) -> None:
    made(encoded(plain(1600, 1200)), *(spec(width, None) for width in widths))

    assert [before[0] for before, _after in resizes] == [1600, *sources]


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1)])
def test_a_thin_picture_is_not_blown_up_before_it_is_cut(size: Size, resizes: list[tuple[Size, Size]]) -> None:
    # Scaled to cover the box, the whole of it would have ten thousand million pixels.
    image = rendered(encoded(plain(*size)), spec(1000, 1000, "fill", allow_upscale=True))

    assert image.size == (1000, 1000)
    assert [after for _before, after in resizes] == [(1000, 1000)]


def test_an_animation_gives_its_first_frame() -> None:
    for format in ("PNG", "WEBP"):
        body = encoded(plain(60, 40, RED), format, save_all=True, append_images=[plain(60, 40, BLUE)])

        assert near(pixel(rendered(body, spec(30, None)), 5, 5), RED)


def test_a_rendition_that_would_itself_be_a_bomb_is_refused() -> None:
    limits = replace(LIMITS, max_pixels=1_000_000)

    with pytest.raises(ImageRefused) as refused:
        make(encoded(plain(60, 40)), [spec(2000, 1000, "stretch", allow_upscale=True)], limits=limits)

    assert refused.value.reason == "too_many_pixels"
    assert refused.value.facts == {"width": 2000, "height": 1000, "limit": 1_000_000}
