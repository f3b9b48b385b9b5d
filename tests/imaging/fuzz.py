"""`python -m tests.imaging.fuzz 500`: damages valid pictures and tells as JSON what became of them.

A process of its own, so that a decoder that crashes ends it and not the tests, and so that its memory is that of
imaging alone. A fixed seed: the same files at every run.
"""

import io
import json
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import probe
from tests.imaging.kinds import UPPER_HALF, animated_behind, animated_in_part, ink_profile, srgb, tiff_deep, tiff_grey
from tests.imaging.pictures import ALL, RED, decoded, encoded, exif, made, photo, plain, png_chunk, quarters, spec

SEED = 20_261_120
SPECS = (spec(20, None, format="source"), spec(30, 30, "fill", format="JPEG"), spec(9, 9, "stretch", blur=2))
# Those of a child process take a tenth of a second each.
TIMES_MORE_OF_THE_QUICK = 4


def originals() -> list[bytes]:
    picture = photo(64, 48)
    frames = [plain(64, 48, (*RED, 9)), plain(64, 48)]
    quick = [
        encoded(picture, "JPEG", exif=exif(orientation=6)),
        encoded(picture, "JPEG", progressive=True, comment=b"hello"),
        encoded(picture.convert("CMYK"), "JPEG"),
        # Small, so that the profile is most of the file.
        encoded(picture.resize((16, 12)), "JPEG", icc_profile=srgb(swapped=True)),
        encoded(picture.resize((16, 12)).convert("CMYK"), "JPEG", icc_profile=ink_profile()),
        encoded(picture, "MPO", save_all=True, append_images=[plain(8, 8)]),
        encoded(picture, exif=exif(orientation=3)),
        encoded(picture.quantize(16)),
        encoded(picture.convert("LA"), icc_profile=srgb()),
        encoded(Image.new("I;16", picture.size, 999), transparency=999),
        encoded(plain(64, 48, (*RED, 99)), save_all=True, append_images=frames),
        animated_behind(picture, exif(orientation=2)),
        animated_in_part(quarters(64, 48, UPPER_HALF), exif(orientation=1)),
        encoded(picture, "WEBP", exif=exif(orientation=8)),
        encoded(picture, "WEBP", lossless=False),
        encoded(picture, "GIF", save_all=True, append_images=frames, comment=b"hello"),
    ]
    slow = [
        encoded(picture, "AVIF", exif=exif(orientation=5)),
        encoded(picture, "TIFF", compression="tiff_lzw"),
        encoded(picture.convert("CMYK"), "TIFF"),
        tiff_grey(">", 16)(picture, exif(orientation=7)),
        tiff_deep("<", planar=True)(picture, exif(orientation=4)),
    ]
    return quick * TIMES_MORE_OF_THE_QUICK + slow


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
    rendered, probed = answer(lambda: check(body)), answer(lambda: probe(io.BytesIO(body), limits=ALL))
    assert rendered == probed, (rendered, probed)
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


def cpu_seconds() -> float:
    """Of this process and of its children: unlike the clock, it does not count what others do on the machine."""
    return sum(os.times()[:4])


def peak_kilobytes() -> int:
    """Of this process since it began, or of the largest of its children."""
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def main(mutations: int) -> None:
    files = originals()
    assert {outcome(body) for body in files} == {"made"}
    chance = random.Random(SEED)
    outcomes: Counter[str] = Counter()
    slowest = longest = 0.0
    for index in range(mutations):
        body = mutated(files[index % len(files)], chance)
        began, at = cpu_seconds(), time.monotonic()
        outcomes[outcome(body)] += 1
        slowest, longest = max(slowest, cpu_seconds() - began), max(longest, time.monotonic() - at)
    told = {"outcomes": outcomes, "slowest": slowest, "longest": longest, "peak_kilobytes": peak_kilobytes()}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
