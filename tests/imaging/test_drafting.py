"""JPEG decoded at a part of its size, the three eighths that Pillow does not offer among them."""

import io
from pathlib import Path

import pytest
from PIL import Image, JpegImagePlugin

from media_catalog.imaging.drafting import draft
from media_catalog.imaging.renditions import make
from tests.imaging.pictures import ALL, BLUE, GREEN, RED, YELLOW, corners, encoded, near, photo, plain, quarters, spec

COLOURS = (RED, GREEN, BLUE, YELLOW)


@pytest.mark.parametrize(
    ("at_least", "size"),
    [
        ((800, 600), (800, 600)),
        ((401, 300), (800, 600)),
        ((400, 300), (400, 300)),
        ((301, 225), (400, 300)),
        ((300, 225), (300, 225)),
        ((201, 150), (300, 225)),
        ((200, 150), (200, 150)),
        ((101, 75), (200, 150)),
        ((100, 75), (100, 75)),
        ((1, 1), (100, 75)),
        # The side that needs more decides.
        ((100, 225), (300, 225)),
    ],
)
def test_the_smallest_that_covers_the_need(at_least: tuple[int, int], size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(encoded(quarters(800, 600, COLOURS), "JPEG"))) as image:
        box = draft(image, at_least)
        image.load()

        assert image.size == size
        assert box == (0, 0, *size)
        assert all(map(near, corners(image), COLOURS))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("width", range(800, 816))
def test_a_size_that_eight_does_not_divide(width: int, subsampling: str) -> None:
    height = 1416 - width
    body = encoded(quarters(width, height, COLOURS), "JPEG", subsampling=subsampling)

    with Image.open(io.BytesIO(body)) as image:
        box = draft(image, (width * 3 // 8, height * 3 // 8))
        image.load()

        assert image.size == (-(-width * 3 // 8), -(-height * 3 // 8))
        assert box == (0, 0, width * 3 / 8, height * 3 / 8)
        assert all(map(near, corners(image), COLOURS))
        assert near(image.getpixel((image.width - 1, image.height - 1)) or (), YELLOW)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of each piece that the decoder of a JPEG was handed."""
    lengths: list[int] = []
    read = JpegImagePlugin.JpegImageFile.load_read

    def recording(image: JpegImagePlugin.JpegImageFile, read_bytes: int) -> bytes:
        piece = read(image, read_bytes)
        lengths.append(len(piece))
        return piece

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_read", recording)
    return lengths


def test_a_jpeg_in_memory_is_decoded_in_one_piece_and_one_on_disk_in_small_ones(
    handed: list[int], tmp_path: Path
) -> None:
    body = encoded(photo(800, 600), "JPEG")
    (tmp_path / "photo").write_bytes(body)

    in_memory = make(body, [spec(80, None)], limits=ALL)
    assert handed == [len(body)]
    handed.clear()
    with (tmp_path / "photo").open("rb") as file:
        assert make(file, [spec(80, None)], limits=ALL) == in_memory

    assert max(handed) <= 65_536
    assert len(handed) > 2


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF"])
def test_other_formats_are_decoded_whole(format: str) -> None:
    with Image.open(io.BytesIO(encoded(plain(800, 600), format))) as image:
        assert draft(image, (300, 225)) is None
