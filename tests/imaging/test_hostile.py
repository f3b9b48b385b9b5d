"""Files made to hurt: to keep us busy, to eat memory, or to be something else besides a picture."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.formats import WRITTEN
from media_catalog.imaging.probe import probe
from media_catalog.imaging.renditions import make
from tests.imaging.fuzz import answer, cpu_seconds
from tests.imaging.kinds import tiff_grey
from tests.imaging.pictures import (
    ALL,
    RED,
    avif_claiming,
    decoded,
    encoded,
    exif,
    made,
    near,
    pixel,
    plain,
    png_chunk,
    quarters,
    rendered,
    spec,
    tiff_claiming,
)

SECONDS = 5
SCRIPT = b"<html><script>alert(1)</script><?php system($_GET['x']); ?>"


def archive() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        file.writestr("evil.html", SCRIPT)
    return body.getvalue()


def gif_with_comment() -> bytes:
    return encoded(plain(60, 40), "GIF", comment=SCRIPT)


def png_with_chunk() -> bytes:
    body = encoded(plain(60, 40))
    return body[:33] + png_chunk(b"tEXt", b"Comment\0" + SCRIPT) + body[33:]


@pytest.mark.parametrize("payload", [SCRIPT, archive()], ids=["script", "zip"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_what_follows_a_picture_is_left_behind(format: str, payload: bytes) -> None:
    """Phones append films and second pictures, so such files are accepted: what is served of them is pixels."""
    body = encoded(plain(60, 40), format) + payload

    # Once shrunk, once as it is.
    asked = [spec(size, None, format=written) for written in (*WRITTEN, "source") for size in (20, 400)]
    for rendition in made(body, *asked):
        assert b"script" not in rendition.body
        assert b"evil" not in rendition.body
        assert b"PK\3\4" not in rendition.body
        assert near(pixel(decoded(rendition.body), 5, 5), RED, tolerance=16)


@pytest.mark.parametrize(
    "body",
    [
        gif_with_comment(),
        png_with_chunk(),
        encoded(plain(60, 40), "JPEG", comment=SCRIPT),
        encoded(plain(60, 40), "JPEG", exif=b"Exif\0\0" + SCRIPT),
        encoded(plain(60, 40), "WEBP", xmp=SCRIPT),
        encoded(plain(60, 40), "AVIF", xmp=SCRIPT),
        encoded(plain(60, 40), "TIFF", description=SCRIPT.decode()),
    ],
)
def test_scripts_inside_a_picture_are_left_behind(body: bytes) -> None:
    assert b"script" in body
    for rendition in made(body, *(spec(400, None, format=format) for format in (*WRITTEN, "source"))):
        assert b"script" not in rendition.body


@pytest.mark.parametrize("start", [SCRIPT, archive(), b"GIF89a" + SCRIPT, b"\x89PNG" + SCRIPT, b"BM" + SCRIPT])
def test_a_picture_behind_something_else_is_no_picture(start: bytes) -> None:
    with pytest.raises(ImageRefused):
        probe(io.BytesIO(start + encoded(plain(60, 40), "JPEG")), limits=ALL)


def progressive(scans: int) -> bytes:
    """A large flat JPEG whose last scan is told so many times more."""
    body = encoded(Image.new("L", (6000, 6000), 9), "JPEG", progressive=True)
    return body[:-2] + body[body.rindex(b"\xff\xda") : -2] * scans + body[-2:]


def png_of_crumbs() -> bytes:
    """Each chunk of the pixels holds one byte."""
    body = encoded(plain(300, 200))
    place = body.index(b"IDAT")
    length = int.from_bytes(body[place - 4 : place], "big")
    data = body[place + 4 : place + 4 + length]
    crumbs = b"".join(png_chunk(b"IDAT", data[index : index + 1]) for index in range(length))
    return body[: place - 4] + crumbs + png_chunk(b"IDAT", b"") * 100_000 + body[place + 8 + length :]


def jpeg_of_tables() -> bytes:
    """After the frame, nothing but tables."""
    body = encoded(plain(16, 16), "JPEG")
    return body[: body.index(b"\xff\xda")] + b"\xff\xfe\0\2" * 4_000_000


def jpeg_of_exif(start: bytes = b"", *, parts: int = 62_000) -> bytes:
    """Each of so many segments goes on with the EXIF block of the one before; `start` stands in front of them."""
    body = encoded(plain(16, 16), "JPEG")
    part = b"\xff\xe1" + struct.pack(">H", 242) + b"Exif\0\0" + bytes(234)
    return body[:2] + start + part * parts + body[2:]


def jpeg_of_frames() -> bytes:
    """Each frame header lists 21,000 components, which are 500 MB as Pillow's objects."""
    body = encoded(plain(16, 16), "JPEG")
    place = body.index(b"\xff\xc0")
    frame = b"\xff\xc0\xff\xfe" + body[place + 4 : place + 10] + bytes(65_526)
    return body[:place] + frame * 230 + body[place:]


def jpeg_of_junk(junk: bytes) -> bytes:
    """15 MB of it in front of the scan."""
    body = encoded(plain(16, 16), "JPEG")
    place = body.index(b"\xff\xda")
    return body[:place] + junk * (15_000_000 // len(junk)) + body[place:]


def jpeg_of_comments() -> bytes:
    """60,000 empty comments in front of the picture."""
    body = encoded(plain(16, 16), "JPEG")
    return body[:2] + b"\xff\xfe\0\2" * 60_000 + body[2:]


def png_of_texts(place: bytes, name: bytes) -> bytes:
    """15,000 chunks in front of this one, in 15 MB, that become 15 GB when they are inflated. No name: not counted."""
    body = encoded(plain(16, 16))
    chunk = png_chunk(name, b"\0\0" + zlib.compress(bytes(1_000_000), 9))
    at = body.index(place) - 4
    return body[:at] + chunk * (15_000_000 // len(chunk)) + body[at:]


def profile_of_steps() -> bytes:
    """A JPEG whose colour profile takes each colour through 20,000 steps, all of them the same few bytes."""
    step = b"matf" + struct.pack(">4xHH12f", 3, 3, *(index % 4 == 0 for index in range(12)))
    count, behind = 20_000, 16 + 8 * 20_000
    steps = struct.pack(">4s4xHHI", b"mpet", 3, 3, count) + struct.pack(">II", behind, len(step)) * count + step
    tags = struct.pack(">I4sII", 1, b"D2B0", 144, len(steps))
    head = struct.pack(">I4xI4s4s4s12x4s", 144 + len(steps), 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return encoded(plain(64, 48), "JPEG", icc_profile=head.ljust(128, b"\0") + tags + steps)


def tiff_of_tags() -> bytes:
    """Each of 60,000 tags claims the same ten megabytes as its value."""
    size, start = 10_000_000, 8
    tags = [(256, 3, 1, 16), (257, 3, 1, 16), *((1000 + number, 1, size, start) for number in range(60_000))]
    rows = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", start + size) + bytes(size) + struct.pack("<H", len(tags)) + rows + bytes(4)


def tiff_of_itself() -> bytes:
    """The next page is this page."""
    body = bytearray(encoded(plain(60, 40), "TIFF"))
    (start,) = struct.unpack_from("<I", body, 4)
    (count,) = struct.unpack_from("<H", body, start)
    struct.pack_into("<I", body, start + 2 + 12 * count, start)
    return bytes(body)


def gif_without_end() -> bytes:
    """As many frames of one pixel as fit."""
    frame = b"!\xf9\4\0\1\0\0\0" + b",\0\0\0\0\1\0\1\0\0" + b"\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", 60, 40, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * 500_000


def gif_of_crumbs() -> bytes:
    """A comment in blocks of one byte."""
    return gif_without_end()[:19] + b"!\xfe" + b"\1x" * 8_000_000 + b"\0" + gif_without_end()[19:80] + b";"


@pytest.mark.parametrize(
    "build",
    [
        lambda: progressive(63),
        lambda: progressive(100_000),
        png_of_crumbs,
        jpeg_of_tables,
        jpeg_of_exif,
        # What Pillow looks into and other readers skip: a second start, an end, an extension.
        lambda: jpeg_of_exif(b"\xff\xd8\xff\xff"),
        lambda: jpeg_of_exif(b"\xff\xd9"),
        lambda: jpeg_of_exif(b"\xff\xf0\xff\xff"),
        jpeg_of_comments,
        lambda: png_of_texts(b"IDAT", b"zTXt"),
        lambda: png_of_texts(b"IDAT", b"iCCP"),
        lambda: png_of_texts(b"IEND", b"zTXt"),
        profile_of_steps,
        tiff_of_tags,
        tiff_of_itself,
        gif_without_end,
        gif_of_crumbs,
    ],
    ids=[
        "scans",
        "too many scans",
        "png",
        "jpeg",
        "exif",
        "exif behind a start",
        "exif behind an end",
        "exif behind an extension",
        "comments",
        "texts",
        "profiles",
        "texts behind the pixels",
        "steps of a profile",
        "tags",
        "loop",
        "frames",
        "gif",
    ],
)
def test_nobody_is_kept_busy(build: Callable[[], bytes]) -> None:
    body = build()
    limits = replace(ALL, max_bytes=len(body))

    for asked in (
        lambda: probe(io.BytesIO(body), limits=limits),
        lambda: make(body, [spec(20, None)], limits=limits),
    ):
        began = cpu_seconds()
        assert answer(asked) in ("made", "damaged")
        assert cpu_seconds() - began < SECONDS


@pytest.mark.parametrize(
    "build",
    [
        jpeg_of_frames,
        jpeg_of_exif,
        jpeg_of_comments,
        lambda: jpeg_of_junk(b"\0"),
        lambda: jpeg_of_junk(b"\xff"),
        lambda: jpeg_of_junk(b"\xff\xd8"),
    ],
    ids=["frames", "exif", "comments", "zeros", "filling", "starts"],
)
def test_a_jpeg_of_headers_is_not_opened(build: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(Image, "open", lambda *args, **options: opened.append(args))
    body = build()

    with pytest.raises(ImageRefused, match="damaged"):
        probe(io.BytesIO(body), limits=replace(ALL, max_bytes=len(body)))

    assert opened == []


def test_an_endless_animation_gives_its_first_frame() -> None:
    body = gif_without_end()

    found = probe(io.BytesIO(body), limits=replace(ALL, max_bytes=len(body)))

    assert found.animated
    assert rendered(body[:100_000], spec(20, None)).size == (20, 13)


def test_a_frame_larger_than_its_gif_counts() -> None:
    body = bytearray(encoded(plain(60, 40), "GIF"))
    place = body.index(b",", 13 + 3 * 2)
    struct.pack_into("<HHHH", body, place + 1, 40_000, 0, 20_000, 900)

    with pytest.raises(ImageRefused) as refused:
        probe(io.BytesIO(body), limits=ALL)

    assert refused.value.facts == {"width": 60_000, "height": 900, "limit": ALL.max_pixels}


@pytest.mark.parametrize("build", [avif_claiming, tiff_claiming])
def test_a_bomb_is_seen_before_its_decoder_runs(
    build: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.run", None)

    with pytest.raises(ImageRefused) as refused:
        probe(io.BytesIO(build(60_000, 60_000)), limits=ALL)

    assert refused.value.facts == {"width": 60_000, "height": 60_000, "limit": ALL.max_pixels}


@pytest.mark.parametrize("body", [avif_claiming(0, 40), tiff_claiming(0, 40), tiff_claiming(6000, 6000)])
def test_a_size_that_the_pixels_do_not_bear_out(body: bytes) -> None:
    with pytest.raises(ImageRefused, match="damaged"):
        made(body, spec(20, None))


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}])
@pytest.mark.parametrize("left", [4, 8, 100, 0.5, 0.9])
def test_a_tiff_that_was_cut_off(options: dict[str, str], left: float) -> None:
    body = encoded(quarters(400, 300, [(200, 0, 0), (0, 99, 0), (0, 0, 77), (9, 9, 9)]), "TIFF", **options)

    with pytest.raises(ImageRefused) as refused:
        probe(io.BytesIO(body[: int(left if left > 1 else len(body) * left)]), limits=ALL)

    assert refused.value.reason == "damaged"


@pytest.mark.parametrize("format", ["GIF", "AVIF"])
@pytest.mark.parametrize("left", [12, 40, 300, 0.5, 0.9])
def test_an_avif_or_gif_that_was_cut_off(format: str, left: float) -> None:
    body = encoded(quarters(400, 300, [(200, 0, 0), (0, 99, 0), (0, 0, 77), (9, 9, 9)]), format)

    with pytest.raises(ImageRefused) as refused:
        probe(io.BytesIO(body[: int(left if left > 1 else len(body) * left)]), limits=ALL)

    assert refused.value.reason == "damaged"


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_samples_of_laboratories_are_refused_by_name(mode: str) -> None:
    body = io.BytesIO()
    Image.new(mode, (60, 40)).save(body, "TIFF")

    with pytest.raises(ImageRefused) as refused:
        probe(body, limits=ALL)

    assert refused.value.reason == "format"
    assert refused.value.facts == {"format": f"TIFF ({mode})", "accepted": ALL.formats}


@pytest.mark.parametrize(
    ("order", "bits", "white", "told"),
    [
        (">", 16, 0, "grey, 0 is white, 16 bits, big-endian"),
        (">", 12, 1, "grey, 12 bits, big-endian"),
        ("<", 12, 0, "grey, 0 is white, 12 bits"),
    ],
)
def test_deep_greys_that_pillow_does_not_know_are_refused_by_name(order: str, bits: int, white: int, told: str) -> None:
    body = tiff_grey(order, bits, white=white)(plain(60, 40), exif(orientation=1))

    with pytest.raises(ImageRefused) as refused:
        probe(io.BytesIO(body), limits=ALL)

    assert refused.value.facts == {"format": f"TIFF ({told})", "accepted": ALL.formats}
