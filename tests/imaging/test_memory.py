"""How much memory pictures take: each alone, and many at a time."""

import io
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFile

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging import memory
from media_catalog.imaging.probe import probe
from media_catalog.imaging.renditions import make
from tests.imaging.pictures import ALL, RED, encoded, plain, spec

WHOLE, SMALLER = (10_000, 5_000), (6_000, 4_000)


@dataclass(frozen=True)
class Flat:
    """A flat picture: how it is written, and as what. `own` are the megabytes that this process may have held.

    `child`: those of the child that reads what takes more than a process has for pictures, and some formats always.
    """

    mode: str
    colour: Any
    format: str
    options: dict[str, Any]
    own: int
    child: int
    size: tuple[int, int] = WHOLE
    width: int = 2_000
    written: str = "PNG"


# Of 50 MP, and of 24 where AV1 would take too long. GIF, TIFF and AVIF have no room for a second copy of the pixels.
LARGEST = {
    "JPEG": Flat("RGB", RED, "JPEG", {}, 110, 0),
    "JPEG, progressive": Flat("RGB", RED, "JPEG", {"progressive": True, "subsampling": "4:4:4"}, 64, 380),
    "PNG": Flat("RGBA", (*RED, 99), "PNG", {"compress_level": 1}, 64, 330),
    "PNG, 16 bits": Flat("I;16", 999, "PNG", {"compress_level": 1, "transparency": 999}, 64, 230),
    "WebP": Flat("RGB", RED, "WEBP", {"lossless": True, "method": 0, "quality": 0}, 64, 950),
    "GIF": Flat("P", 3, "GIF", {}, 64, 170),
    "TIFF": Flat("RGB", RED, "TIFF", {"compression": "tiff_lzw"}, 64, 330),
    "AVIF": Flat("RGB", RED, "AVIF", {"speed": 10, "quality": 50}, 64, 265, SMALLER),
    "written as AVIF": Flat("RGB", RED, "JPEG", {}, 64, 560, SMALLER, SMALLER[0], "AVIF"),
}
PROGRAM = """
import json, resource, sys
from dataclasses import replace
sys.path[:] = json.loads(sys.argv[1])
from media_catalog.imaging.renditions import make
from tests.imaging.pictures import ALL, spec
limits = replace(ALL, max_pixels=50_000_000)
file = open(sys.argv[2], "rb")
width = make(file, [spec(int(sys.argv[3]), None, format=sys.argv[4])], limits=limits)[0].width
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(width, own // 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_picture(name: str, tmp_path: Path) -> None:
    flat = LARGEST[name]
    path = tmp_path / "flat"
    Image.new(flat.mode, flat.size, flat.colour).save(path, flat.format, **flat.options)
    order = [sys.executable, "-c", PROGRAM, json.dumps(sys.path), str(path), str(flat.width), flat.written]

    told = subprocess.run(order, capture_output=True, text=True, check=True).stdout.split()

    assert told[0] == str(flat.width)
    assert int(told[1]) <= flat.own
    assert int(told[2]) <= flat.child


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SECONDS", 0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.usefixtures("impatient")
def test_no_picture_is_read_beyond_the_bound(format: str) -> None:
    """In this process and by a child; there is room again when somebody else is done, or was refused."""
    body = encoded(plain(60, 40), format)

    with memory.taking(memory.TOGETHER):
        with pytest.raises(MemoryError):
            probe(io.BytesIO(body), limits=ALL)
        with pytest.raises(MemoryError):
            make(body, [spec(20, None)], limits=ALL)
    with pytest.raises(ImageRefused):
        probe(io.BytesIO(body[:-30]), limits=ALL)
    with memory.taking(memory.TOGETHER - 10**6):
        assert probe(io.BytesIO(body), limits=ALL).width == 60
        assert make(body, [spec(20, None)], limits=ALL)[0].width == 20


def test_threads_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen at once; three of the pictures fit."""
    body = encoded(plain(1_000, 1_000))
    monkeypatch.setattr(memory, "TOGETHER", 20_000_000)
    inside: list[int] = []
    most: list[int] = []
    load = ImageFile.ImageFile.load

    def counting(image: ImageFile.ImageFile) -> object:
        inside.append(1)
        most.append(len(inside))
        try:
            return load(image)
        finally:
            inside.pop()

    monkeypatch.setattr(ImageFile.ImageFile, "load", counting)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: probe(io.BytesIO(body), limits=ALL).width, range(64)))

    assert found == [1_000] * 64
    assert max(most) <= 3


def test_small_pictures_do_not_overtake_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would wait for ever where many come."""
    began = threading.Event()

    def large() -> None:
        with memory.taking(memory.TOGETHER):
            began.set()

    with memory.taking(1):
        waiting = threading.Thread(target=large)
        waiting.start()
        while not memory._turn.locked():
            assert waiting.is_alive()
            time.sleep(0.001)
        monkeypatch.setattr(memory, "_SECONDS", 0)
        with pytest.raises(MemoryError), memory.taking(1):
            pass
        assert not began.is_set()
    waiting.join(10)

    assert began.is_set()
