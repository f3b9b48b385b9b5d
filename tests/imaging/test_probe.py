"""What probe tells about a good file."""

import io
import struct
import warnings
import zlib
from dataclasses import replace

import pytest
from PIL import Image, ImageCms

from media_catalog.imaging.opening import decoding
from media_catalog.imaging.probe import Limits, Probe, content_type, extension, probe
from tests.imaging.pictures import ALL, BLUE, GREEN, LIMITS, RED, encoded, plain, png_chunk

FORMATS = [
    ("JPEG", "image/jpeg", "jpg", "RGB"),
    ("PNG", "image/png", "png", "RGB"),
    ("WEBP", "image/webp", "webp", "RGB"),
    ("GIF", "image/gif", "gif", "P"),
    ("AVIF", "image/avif", "avif", "RGB"),
    ("TIFF", "image/tiff", "tif", "RGB"),
]


@pytest.mark.parametrize(("format", "media_type", "ending", "mode"), FORMATS)
def test_tells_what_a_file_is(format: str, media_type: str, ending: str, mode: str) -> None:
    source = io.BytesIO(encoded(plain(60, 40), format))
    source.seek(7)

    assert probe(source, limits=ALL) == Probe(
        format=format,
        content_type=media_type,
        width=60,
        height=40,
        orientation=1,
        frames=1,
        mode=mode,
        alpha=False,
        profile="",
    )
    assert source.tell() == 0
    assert content_type(format) == media_type
    assert extension(format) == ending


@pytest.mark.parametrize(
    ("body", "mode", "alpha"),
    [
        (encoded(Image.new("CMYK", (9, 9)), "JPEG"), "CMYK", False),
        (encoded(Image.new("L", (9, 9)), "JPEG"), "L", False),
        (encoded(Image.new("I;16", (9, 9))), "I;16", False),
        (encoded(Image.new("1", (9, 9))), "1", False),
        (encoded(Image.new("LA", (9, 9))), "LA", True),
        (encoded(plain(9, 9).quantize(2), transparency=0), "P", True),
        (encoded(plain(9, 9, (1, 2, 3, 4)), "WEBP"), "RGBA", True),
        (encoded(plain(9, 9, (1, 2, 3, 4)), "AVIF"), "RGBA", True),
        (encoded(Image.new("1", (9, 9)), "TIFF", compression="group4"), "1", False),
    ],
)
def test_tells_how_pixels_are_stored(body: bytes, mode: str, alpha: bool) -> None:
    found = probe(io.BytesIO(body), limits=ALL)

    assert (found.mode, found.alpha) == (mode, alpha)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_tells_the_name_of_the_colour_profile(format: str) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    named = probe(io.BytesIO(encoded(plain(9, 9), format, icc_profile=icc)), limits=ALL)
    broken = probe(io.BytesIO(encoded(plain(9, 9), "JPEG", icc_profile=icc[:200])), limits=ALL)

    assert named.profile == "sRGB built-in"
    assert broken.profile == ""


@pytest.mark.parametrize(
    ("format", "options", "frames"),
    [
        ("PNG", {}, 3),
        ("PNG", {"default_image": True}, 2),
        ("WEBP", {}, 3),
        ("GIF", {}, 3),
        ("GIF", {"comment": b"x" * 999}, 3),
        ("AVIF", {}, 3),
        # The second picture of a phone, and pages, move nowhere.
        ("MPO", {}, 1),
        ("TIFF", {}, 1),
    ],
)
def test_counts_the_frames_of_an_animation(format: str, options: dict[str, object], frames: int) -> None:
    others = [plain(60, 40, GREEN), plain(60, 40, BLUE)]
    body = encoded(plain(60, 40, RED), format, save_all=True, append_images=others, **options)

    found = probe(io.BytesIO(body), limits=ALL)

    assert (found.frames, found.animated) == (frames, frames > 1)


def test_a_count_of_frames_that_nobody_can_mean_is_bounded() -> None:
    """An APNG claims it in its header; the catalogue and the API have no room for 2³¹."""
    body = bytearray(encoded(plain(9, 9, RED), "PNG", save_all=True, append_images=[plain(9, 9, BLUE)]))
    place = body.index(b"acTL")
    body[place + 4 : place + 8] = (2**31 - 1).to_bytes(4)
    body[place + 12 : place + 16] = zlib.crc32(body[place : place + 12]).to_bytes(4)

    assert probe(io.BytesIO(bytes(body)), limits=ALL).frames == 1_000_000


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"lossless": True, "exif": b"Exif\0\0"}])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (1, 5000)])
def test_reads_the_size_from_each_kind_of_webp(options: dict[str, object], size: tuple[int, int]) -> None:
    body = encoded(plain(*size), "WEBP", **{"lossless": False, **options})

    found = probe(io.BytesIO(body), limits=LIMITS)

    assert (found.width, found.height) == size


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"x" * 60_000}])
def test_reads_the_size_from_each_kind_of_jpeg(options: dict[str, object]) -> None:
    found = probe(io.BytesIO(encoded(plain(60, 40), "JPEG", **options)), limits=LIMITS)

    assert (found.width, found.height) == (60, 40)


def test_a_jpeg_may_carry_as_much_as_any_program_writes() -> None:
    """A colour profile in 255 parts, EXIF in several, and XMP until the file is full."""
    body = encoded(plain(60, 40), "JPEG", progressive=True)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    parts = [icc[place : place + 3] for place in range(0, 254 * 3, 3)] + [icc[254 * 3 :]]
    segments = [
        b"\xff\xe2" + struct.pack(">H", 16 + len(part)) + b"ICC_PROFILE\0" + bytes((number, 255)) + part
        for number, part in enumerate(parts, 1)
    ]
    segments += [b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)] * 15
    segments += [b"\xff\xe1\xff\xffhttp://ns.adobe.com/xmp/extension/\0" + bytes(65_498)] * 225
    body = body[:2] + b"".join(segments) + body[2:]

    assert probe(io.BytesIO(body), limits=replace(ALL, max_bytes=len(body))).profile == "sRGB built-in"
    assert len(body) > 15 * 1024 * 1024


def test_skips_junk_between_the_segments_of_a_jpeg() -> None:
    body = encoded(plain(60, 40), "JPEG")
    place = body.index(b"\xff\xdb")

    found = probe(io.BytesIO(body[:place] + b"\0\0\xff\xff" + body[place:]), limits=LIMITS)

    assert (found.width, found.height) == (60, 40)


def test_the_jpeg_of_a_phone_with_a_second_picture_inside_is_a_jpeg() -> None:
    body = encoded(plain(60, 40), "MPO", save_all=True, append_images=[plain(30, 20)])
    with Image.open(io.BytesIO(body)) as image:
        assert image.format == "MPO"

    found = probe(io.BytesIO(body), limits=LIMITS)

    assert (found.format, found.content_type, found.width) == ("JPEG", "image/jpeg", 60)


def test_decodes_a_jpeg_at_an_eighth_and_others_whole(decodes: list[tuple[int, int]]) -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        probe(io.BytesIO(encoded(plain(800, 600), format)), limits=LIMITS)

    assert decodes == [(100, 75), (800, 600), (800, 600)]


def test_a_picture_that_makes_pillow_warn_is_still_a_picture() -> None:
    body = encoded(plain(60, 40))
    # An animation of no frames: Pillow warns, and warnings are errors in these tests.
    body = body[:33] + png_chunk(b"acTL", bytes(8)) + body[33:]
    with pytest.warns(UserWarning, match="APNG"), Image.open(io.BytesIO(body)):
        pass

    assert probe(io.BytesIO(body), limits=LIMITS).width == 60


def test_leaves_the_warnings_filters_as_they_were_whichever_thread_ends_first() -> None:
    before = list(warnings.filters)
    first, second = decoding(), decoding()

    first.__enter__()
    second.__enter__()
    during = list(warnings.filters)
    first.__exit__(None, None, None)
    between = list(warnings.filters)
    second.__exit__(None, None, None)

    assert during == between != before
    assert list(warnings.filters) == before


def test_limits_name_only_formats_that_we_read() -> None:
    with pytest.raises(ValueError, match="BMP"):
        Limits(max_bytes=1, max_pixels=1, formats=("JPEG", "BMP"))
