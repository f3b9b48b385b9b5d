"""Pictures stored turned or mirrored come out upright."""

import io
import struct

import pytest
from PIL import Image

from media_catalog.imaging.orientation import read
from media_catalog.imaging.probe import probe
from tests.imaging.pictures import (
    BLUE,
    GREEN,
    LIMITS,
    RED,
    STORED,
    YELLOW,
    corners,
    encoded,
    exif,
    near,
    pixel,
    plain,
    rendered,
    spec,
    stored,
)

UPRIGHT = (RED, GREEN, BLUE, YELLOW)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("scale", [1, 20])
@pytest.mark.parametrize(("box", "mode", "size"), [((30, None), "fit", (30, 20)), ((24, 20), "fill", (24, 20))])
def test_upright(
    orientation: int,
    format: str,
    scale: int,
    box: tuple[int, int | None],
    mode: str,
    size: tuple[int, int],
) -> None:
    picture = stored(orientation, 61 * scale, 41 * scale, UPRIGHT)
    body = encoded(picture, format, exif=exif(orientation=orientation))

    found = probe(io.BytesIO(body), limits=LIMITS)
    image = rendered(body, spec(*box, mode))

    assert (found.width, found.height, found.orientation) == (61 * scale, 41 * scale, orientation)
    assert image.size == size
    assert all(map(near, corners(image), UPRIGHT)), corners(image)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_thinnest_picture_is_turned_too(format: str) -> None:
    line = Image.new("RGB", (1, 10_000), RED)
    line.paste(BLUE, (0, 5_000, 1, 10_000))

    body = encoded(line, format, exif=exif(orientation=6))
    image = rendered(body, spec(200, None))

    # Its stored top is at the right.
    assert image.size == (200, 1)
    assert near(pixel(image, 20, 0), BLUE)
    assert near(pixel(image, 180, 0), RED)


def directory(order: str, *entries: tuple[int, int, int]) -> bytes:
    """A TIFF block of one directory; the entries are (tag, type, value of two bytes)."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    rows = b"".join(struct.pack(order + "HHIHxx", tag, kind, 1, value) for tag, kind, value in entries)
    return start + struct.pack(order + "IH", 8, len(entries)) + rows


@pytest.mark.parametrize(
    ("block", "orientation"),
    [
        (directory("<", (0x0112, 3, 6)), 6),
        (directory(">", (0x0100, 3, 4), (0x0112, 3, 8)), 8),
        (b"Exif\0\0" + directory(">", (0x0112, 3, 3)), 3),
        (directory("<", (0x0112, 3, 0)), 1),
        (directory("<", (0x0112, 3, 9)), 1),
        (directory("<", (0x0112, 4, 6)), 1),
        (directory("<", (0x0100, 3, 6)), 1),
        (directory("<", (0x0112, 3, 6))[:-9], 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"II*\0", 1),
        (b"Exif\0\0 nothing", 1),
        (b"", 1),
    ],
)
def test_damaged_or_senseless_exif_means_upright(block: bytes, orientation: int) -> None:
    assert read(block) == orientation


def test_damaged_exif_does_not_refuse_the_picture() -> None:
    body = encoded(plain(60, 40), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12")

    assert probe(io.BytesIO(body), limits=LIMITS).orientation == 1
