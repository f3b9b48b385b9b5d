"""What is refused, by probe and by make alike, with which reason and figures."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import Limits, probe
from media_catalog.imaging.renditions import make
from media_catalog.imaging.signatures import HEAD_BYTES
from tests.imaging.kinds import tiff_file
from tests.imaging.pictures import (
    ALL,
    LIMITS,
    encoded,
    jpeg_claiming,
    jpeg_of,
    plain,
    png_claiming,
    quarters,
    spec,
    webp_claiming,
)


def refusal(body: bytes, limits: Limits = LIMITS) -> ImageRefused:
    """The refusal, the same through both doors, with the file left at its start."""
    source = io.BytesIO(body)
    with pytest.raises(ImageRefused) as probed:
        probe(source, limits=limits)
    assert source.tell() == 0
    with pytest.raises(ImageRefused) as made:
        make(body, [spec(20, None)], limits=limits)
    assert (probed.value.reason, probed.value.facts) == (made.value.reason, made.value.facts)
    assert probed.value.reason in ImageRefused.REASONS
    return probed.value


def zipped() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("a.txt", "a")
    return body.getvalue()


def test_an_empty_file() -> None:
    refused = refusal(b"")

    assert (refused.reason, refused.facts) == ("empty", {})


def test_too_many_bytes_are_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    body = encoded(plain(60, 40))
    monkeypatch.setattr(Image, "open", None)

    refused = refusal(body, replace(LIMITS, max_bytes=len(body) - 1))

    assert refused.reason == "too_many_bytes"
    assert refused.facts == {"size": len(body), "limit": len(body) - 1}


def test_as_many_bytes_and_pixels_as_allowed_are_accepted() -> None:
    body = encoded(plain(60, 40))

    found = probe(io.BytesIO(body), limits=replace(LIMITS, max_bytes=len(body), max_pixels=2400))

    assert found.width == 60


@pytest.mark.parametrize(
    ("body", "looks_like"),
    [
        (b"just some words", ""),
        (bytes(5000), ""),
        (b"\xff\xd8", ""),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", ""),
        (b"<!DOCTYPE html><html><svg/></html>", "HTML"),
        (b"\n <HTML lang=en>", "HTML"),
        (b"<!-- hello --><script>alert(1)</script>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf \r\n\t<svg>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- a > b -->\n<!-- c --><svg>", "SVG"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg>", "SVG"),
        (b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!--" + b"licence " * 1500 + b"--><svg/>", "SVG"),
        ("\ufeff<?xml version='1.0' encoding='utf-16'?><svg/>".encode("utf-16-le"), "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (zipped(), "ZIP"),
    ],
)
def test_what_is_no_image(body: bytes, looks_like: str) -> None:
    refused = refusal(body)

    assert (refused.reason, refused.facts) == ("not_image", {"looks_like": looks_like})


@pytest.mark.parametrize(
    ("body", "format"),
    [
        (encoded(plain(6, 4), "GIF"), "GIF"),
        (encoded(plain(6, 4), "BMP"), "BMP"),
        (encoded(plain(6, 4), "TIFF"), "TIFF"),
        (encoded(plain(16, 16), "ICO"), "ICO"),
        (encoded(plain(6, 4), "AVIF"), "AVIF"),
        (encoded(plain(6, 4), "JPEG2000"), "JPEG2000"),
        (encoded(plain(6, 4), "EPS"), "EPS"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "HEIF"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
        (b"8BPS\0\1", "PSD"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    ],
)
def test_images_of_formats_that_we_do_not_accept(body: bytes, format: str) -> None:
    refused = refusal(body)

    assert refused.reason == "format"
    assert refused.facts == {"format": format, "accepted": ("JPEG", "PNG", "WEBP")}


def tiff_of(bits: Sequence[int], tags: Mapping[int, Sequence[int]], order: str = "<") -> bytes:
    """A TIFF of 9 × 9 pixels, each of so many bits; its pixels are zeros."""
    planes = len(bits) if tags.get(284) == (2,) else 1
    data = bytes(81 * sum(bits) // 8 // planes)
    return tiff_file(order, (9, 9), [data] * planes, {258: bits, 262: (1,), **tags})


@pytest.mark.parametrize(
    ("body", "format"),
    [
        (jpeg_of(0xC1, 12), "JPEG (12-bit)"),
        (jpeg_of(0xC2, 12), "JPEG (12-bit)"),
        (jpeg_of(0xC3, 8), "JPEG (lossless)"),
        (jpeg_of(0xC3, 16), "JPEG (lossless)"),
        (jpeg_of(0xC5, 8), "JPEG (hierarchical)"),
        (tiff_of((16, 16), {338: (2,)}), "TIFF (grey, 16 + 16 bits)"),
        (tiff_of((8, 8), {338: (2,), 284: (2,)}), "TIFF (LA, in planes)"),
        (tiff_of((8, 8, 8, 8), {262: (2,), 338: (1,), 284: (2,)}), "TIFF (RGBA, in planes)"),
        (tiff_of((32, 32, 32), {262: (2,)}), "TIFF (RGB, 32 + 32 + 32 bits)"),
        (tiff_of((32, 32, 32), {262: (2,), 339: (3, 3, 3)}), "TIFF (RGB, 32 + 32 + 32 bits, floating point)"),
        (tiff_of((64,), {339: (3,)}, ">"), "TIFF (grey, 64 bits, floating point, big-endian)"),
        (tiff_of((8,) * 8, {338: (0,) * 7}), "TIFF (more than 6 samples)"),
        (tiff_of((8,), {259: (34_712,)}), "TIFF (JPEG 2000)"),
    ],
)
def test_kinds_that_no_decoder_of_ours_reads(body: bytes, format: str) -> None:
    """They are whole, so nobody is told that they are damaged."""
    refused = refusal(body, ALL)

    assert (refused.reason, refused.facts) == ("format", {"format": format, "accepted": ALL.formats})


@pytest.mark.parametrize(
    "body",
    [
        jpeg_of(0xC0, 77),
        tiff_of((300,), {}),
        tiff_of((8,), {262: (777,)}),
        tiff_of((8,), {259: (777,)}),
        tiff_of((8,), {262: (3,)}),
        tiff_of((8, 8, 8), {277: (5,), 262: (2,)}),
    ],
)
def test_headers_that_mean_nothing_are_damage(body: bytes) -> None:
    assert refusal(body, ALL).reason == "damaged"


def test_a_format_that_only_this_place_does_not_accept() -> None:
    refused = refusal(encoded(plain(6, 4), "WEBP"), replace(LIMITS, formats=("JPEG",)))

    assert (refused.reason, refused.facts) == ("format", {"format": "WEBP", "accepted": ("JPEG",)})


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (png_claiming(50_000, 50_000), (50_000, 50_000)),
        (png_claiming(6_325, 6_325), (6_325, 6_325)),
        (jpeg_claiming(65_500, 65_000), (65_500, 65_000)),
        (webp_claiming(16_384, 16_000), (16_384, 16_000)),
    ],
)
def test_too_many_pixels_are_seen_before_a_decoder_runs(
    body: bytes, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "open", None)

    refused = refusal(body)

    assert refused.reason == "too_many_pixels"
    assert refused.facts == {"width": size[0], "height": size[1], "limit": 40_000_000}


def test_the_ceiling_of_pillow_itself_is_told_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)

    refused = refusal(encoded(plain(60, 40)))

    assert (refused.reason, refused.facts) == ("too_many_pixels", {"width": 60, "height": 40, "limit": 2000})


def test_our_limit_holds_where_pillow_only_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)

    assert probe(io.BytesIO(encoded(plain(60, 40))), limits=LIMITS).width == 60


def test_a_second_larger_frame_header_does_not_slip_through() -> None:
    body = encoded(plain(16, 16), "JPEG")
    place = body.index(b"\xff\xc0")
    end = body.index(b"\xff\xc4")
    larger = body[place : place + 5] + struct.pack(">HH", 7000, 7000) + body[place + 9 : end]

    refused = refusal(body[:end] + larger + body[end:])

    assert (refused.reason, refused.facts["width"]) == ("too_many_pixels", 7000)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("missing", [1, 6, 14, 0.3, 0.6, 0.95])
def test_cut_off_files(format: str, missing: float) -> None:
    body = encoded(quarters(400, 300, [(200, 0, 0), (0, 99, 0), (0, 0, 77), (9, 9, 9)]), format)
    length = len(body) - missing if missing >= 1 else max(16, len(body) * (1 - missing))

    assert refusal(body[: int(length)]).reason == "damaged"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xd8\xff" + bytes(3000),
        b"\xff\xd8\xff\xe0\0\0" + bytes(3000),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xc0\0\x0b",
        b"\xff\xd8\xff" + b"\x55" * 200_000,
        jpeg_claiming(16, 0),
        b"\x89PNG\r\n\x1a\n" + bytes(3000),
        png_claiming(0, 5),
        png_claiming(400, 300),
        b"RIFF\x10\0\0\0WEBPVP8 " + bytes(3000),
        b"RIFF\x10\0\0\0WEBPVP8X" + bytes(3000),
        webp_claiming(300, 200),
    ],
)
def test_garbage_behind_a_good_signature(body: bytes) -> None:
    assert refusal(body).reason == "damaged"


def test_bits_that_flipped_in_a_png() -> None:
    body = bytearray(encoded(plain(60, 40)))
    # In the checksum of the pixels, which the decoder does not read; IEND are the last 12 bytes.
    body[-13] ^= 1

    assert refusal(bytes(body)).reason == "damaged"


def test_too_little_memory_is_not_blamed_on_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "draft", exhausted)

    with pytest.raises(MemoryError):
        probe(io.BytesIO(encoded(plain(60, 40))), limits=LIMITS)


class Watched(io.BytesIO):
    """Remembers what is asked of it."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.asked: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked.append(size or 0)
        return super().read(size)


def test_a_png_chunk_of_false_length_reserves_no_memory() -> None:
    body = png_claiming(4, 4)
    place = body.index(b"IDAT") - 4
    source = Watched(body[:place] + b"\xff\xff\xff\xff" + body[place + 4 :])

    with pytest.raises(ImageRefused, match="damaged"):
        probe(source, limits=LIMITS)

    assert max(source.asked) <= HEAD_BYTES


@pytest.mark.parametrize("junk", [b"\0", b"\xff", b"\xff\xe1\0\2"])
def test_a_jpeg_full_of_junk_keeps_nobody_busy(junk: bytes) -> None:
    source = Watched(b"\xff\xd8\xff\xe0\0\2" + junk * 1_000_000)

    with pytest.raises(ImageRefused, match="damaged"):
        probe(source, limits=LIMITS)

    assert len(source.asked) < 300_000


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_only_the_decoder_of_the_announced_format_runs(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[object] = []
    open_ = Image.open

    def recording(source: Any, **options: Any) -> Image.Image:
        allowed.append(options["formats"])
        return open_(source, **options)

    monkeypatch.setattr(Image, "open", recording)
    probe(io.BytesIO(encoded(plain(6, 4), format)), limits=LIMITS)

    assert allowed == [[format]]
