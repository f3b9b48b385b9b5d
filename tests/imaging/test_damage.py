"""Whatever happens to a file, it ends in renditions or in a refusal."""

import io
import random
from collections.abc import Callable

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import probe
from tests.imaging.pictures import LIMITS, RED, decoded, encoded, exif, made, photo, plain, png_chunk, spec

MUTATIONS = 300
SPECS = (spec(20, None, format="source"), spec(30, 30, "fill", format="JPEG"), spec(9, 9, "stretch"))


def originals() -> list[bytes]:
    picture = photo(64, 48)
    return [
        encoded(picture, "JPEG", exif=exif(orientation=6)),
        encoded(picture, "JPEG", progressive=True, comment=b"hello"),
        encoded(picture.convert("CMYK"), "JPEG"),
        encoded(picture, "MPO", save_all=True, append_images=[plain(8, 8)]),
        encoded(picture, exif=exif(orientation=3)),
        encoded(picture.quantize(16)),
        encoded(plain(64, 48, (*RED, 99)), save_all=True, append_images=[plain(64, 48, (*RED, 9))]),
        encoded(picture, "WEBP", exif=exif(orientation=8)),
        encoded(picture, "WEBP", lossless=False),
    ]


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The file with bytes flipped, cut off, left out, zeroed or doubled."""
    start = chance.randrange(len(body))
    end = min(len(body), start + chance.randrange(1, 40))
    match chance.randrange(5):
        case 0:
            return body[:start]
        case 1:
            return body[:start] + body[end:]
        case 2:
            return body[:start] + bytes(end - start) + body[end:]
        case 3:
            return body[:end] + body[start:]
    damaged = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        damaged[chance.randrange(len(body))] = chance.randrange(256)
    return checksums_repaired(bytes(damaged)) if body.startswith(b"\x89PNG") else bytes(damaged)


def checksums_repaired(body: bytes) -> bytes:
    """A damaged PNG as somebody would make it who wants the decoder to see the damage."""
    repaired, place = body[:8], 8
    while place + 12 <= len(body):
        length = int.from_bytes(body[place : place + 4], "big")
        repaired += png_chunk(body[place + 4 : place + 8], body[place + 8 : place + 8 + length])
        place += 12 + length
    return repaired


def outcome(body: bytes) -> str:
    """ "made", or the reason of the refusal; probe and make agree."""
    rendered, probed = answer(lambda: check(body)), answer(lambda: probe(io.BytesIO(body), limits=LIMITS))
    assert rendered == probed
    return rendered


def answer(asked: Callable[[], object]) -> str:
    try:
        asked()
    except ImageRefused as refused:
        return refused.reason
    return "made"


def check(body: bytes) -> None:
    renditions = made(body, *SPECS)
    assert [decoded(r.body).size for r in renditions] == [(r.width, r.height) for r in renditions]


def test_damaged_files_end_in_renditions_or_a_refusal() -> None:
    files = originals()
    assert [outcome(body) for body in files] == ["made"] * len(files)

    # A fixed seed: the same files at every run, whatever the order of the tests.
    chance = random.Random(20_261_120)
    outcomes = [outcome(mutated(files[index % len(files)], chance)) for index in range(MUTATIONS)]

    assert set(outcomes) <= {"made", *ImageRefused.REASONS}
    assert min(outcomes.count("made"), outcomes.count("damaged")) > MUTATIONS / 10
