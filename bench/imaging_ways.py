"""One measurement, a process of its own: `python bench/imaging_ways.py` with an order as JSON on stdin.

Runs under any interpreter that has the library of the way: ours, or that of the peers. Answers JSON: the CPU time of
the way for one file in memory, as it comes from S3, and the peak memory of the process. A tiny picture goes before,
by which the way loads its libraries. With a folder in the order, it writes the renditions there instead.
"""

import importlib.metadata
import io
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUALITY = 85


@dataclass(frozen=True)
class Rendition:
    """All of the picture at the size of the frame, cut at (left, top); `mode` as our presets name it."""

    width: int
    height: int | None
    mode: str
    size: tuple[int, int]
    frame: tuple[int, int]
    left: int
    top: int

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The cut on a copy of the picture of this size."""
        across, down = width / self.frame[0], height / self.frame[1]
        right, lower = self.left + self.size[0], self.top + self.size[1]
        return self.left * across, self.top * down, min(width, right * across), min(height, lower * down)


TINY = Rendition(8, 8, "fill", (8, 8), (8, 8), 0, 0)
Files = list[bytes]
Way = Callable[[bytes, list[Rendition], str], Files]


def plain(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """Decoded whole, turned upright and resampled for each; also what the quality is measured against."""
    from PIL import Image, ImageOps

    files = []
    for rendition in renditions:
        with Image.open(io.BytesIO(body)) as image:
            upright = ImageOps.exif_transpose(image)
            box = rendition.box(*upright.size)
            files.append(_saved(upright.resize(rendition.size, Image.Resampling.LANCZOS, box=box), format))
    return files


def plain_unturned(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """The same without turning, which leaves pictures of phones lying on their side."""
    from PIL import Image

    files = []
    for rendition in renditions:
        with Image.open(io.BytesIO(body)) as image:
            box = rendition.box(*image.size)
            files.append(_saved(image.resize(rendition.size, Image.Resampling.LANCZOS, box=box), format))
    return files


def floor(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """What no way on Pillow can beat: the smallest decode that covers the largest, no resampling, the encoder."""
    from PIL import Image

    with Image.open(io.BytesIO(body)) as image:
        image.draft(None, tuple(max(rendition.frame[axis] for rendition in renditions) for axis in (0, 1)))
        image.load()
        return [
            _saved(image.resize(each.size, Image.Resampling.NEAREST, box=each.box(*image.size)), format)
            for each in renditions
        ]


def ours(body: bytes, renditions: list[Rendition], format: str) -> Files:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from media_catalog.imaging.renditions import Limits, Spec, make

    limits = Limits(max_bytes=100_000_000, max_pixels=50_000_000, formats=("JPEG", "PNG", "WEBP"))
    specs = [
        Spec(
            slug=str(each.size),
            width=each.width,
            height=each.height,
            mode=each.mode,
            allow_upscale=False,
            format=format,
            quality=QUALITY,
        )
        for each in renditions
    ]
    return [made.body for made in make(body, specs, limits=limits)]


def vips(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """libvips as its manual says: one shrink on load for each."""
    import pyvips

    pyvips.cache_set_max(0)
    return [
        _vips_saved(
            pyvips.Image.thumbnail_buffer(body, each.frame[0], height=each.frame[1], size="force"), each, format
        )
        for each in renditions
    ]


def vips_shared(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """libvips with one shrink on load, to the largest frame, from which the others are made."""
    import pyvips

    pyvips.cache_set_max(0)
    width, height = (max(each.frame[axis] for each in renditions) for axis in (0, 1))
    large = pyvips.Image.thumbnail_buffer(body, width, height=height, size="force").copy_memory()
    return [
        _vips_saved(large.thumbnail_image(each.frame[0], height=each.frame[1], size="force"), each, format)
        for each in renditions
    ]


def opencv(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """OpenCV with one reduced decode and its kernel for shrinking."""
    import cv2
    import numpy as np
    from PIL import Image

    cv2.setNumThreads(1)
    with Image.open(io.BytesIO(body)) as image:
        need = max(each.frame[0] / image.width for each in renditions)
    reduced = next((scale for scale in (8, 4, 2) if need * scale <= 1 and format == "JPEG"), 1)
    flag = getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduced}") if reduced > 1 else cv2.IMREAD_COLOR
    decoded = cv2.imdecode(np.frombuffer(body, np.uint8), flag)
    files = []
    for each in renditions:
        left, upper, right, lower = (round(value) for value in each.box(decoded.shape[1], decoded.shape[0]))
        small = cv2.resize(decoded[upper:lower, left:right], each.size, interpolation=cv2.INTER_AREA)
        files.append(_opencv_saved(small, format))
    return files


def easy_thumbnails(body: bytes, renditions: list[Rendition], format: str) -> Files:
    """Its engine alone, without its storage and tables."""
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=["easy_thumbnails"])
        django.setup()
    from easy_thumbnails import engine, source_generators

    files = []
    for each in renditions:
        image = source_generators.pil_image(io.BytesIO(body))
        options = {"size": (each.width, each.height or 0), "crop": each.mode == "fill", "upscale": False}
        name = f"x.{format.lower()}"
        small = engine.process_image(image, options)
        files.append(engine.save_pil_image(small, filename=name, quality=QUALITY).getvalue())
    return files


WAYS: dict[str, Way] = {
    way.__name__: way for way in (plain, plain_unturned, floor, ours, vips, vips_shared, opencv, easy_thumbnails)
}


def _saved(image: Any, format: str) -> bytes:
    body = io.BytesIO()
    image.save(body, format, **({} if format == "PNG" else {"quality": QUALITY}))
    return body.getvalue()


def _vips_saved(frame: Any, each: Rendition, format: str) -> bytes:
    options = "[compression=6,keep=none]" if format == "PNG" else f"[Q={QUALITY},keep=none]"
    cut = frame.crop(each.left, each.top, *each.size)
    return bytes(cut.write_to_buffer({"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}[format] + options))


def _opencv_saved(image: Any, format: str) -> bytes:
    import cv2

    quality = {"JPEG": cv2.IMWRITE_JPEG_QUALITY, "WEBP": cv2.IMWRITE_WEBP_QUALITY}
    options = [quality[format], QUALITY] if format in quality else []
    return bytes(cv2.imencode(f".{format.lower()}", image, options)[1].tobytes())


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _versions() -> dict[str, str]:
    wanted = ("pillow", "pyvips", "pyvips-binary", "opencv-python-headless", "easy-thumbnails", "django")
    found = {}
    for name in wanted:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    order = json.load(sys.stdin)
    if "way" not in order:
        json.dump(_versions(), sys.stdout)
        return
    os.environ["VIPS_CONCURRENCY"] = "1"
    way, body = WAYS[order["way"]], Path(order["path"]).read_bytes()
    renditions = [
        Rendition(**{**each, "size": tuple(each["size"]), "frame": tuple(each["frame"])})
        for each in order["renditions"]
    ]
    if order["folder"]:
        for number, made in enumerate(way(body, renditions, order["format"])):
            (Path(order["folder"]) / str(number)).write_bytes(made)
        return
    way(Path(order["warm_up"]).read_bytes(), [TINY] * len(renditions), order["format"])
    began = time.process_time()
    way(body, renditions, order["format"])
    spent = time.process_time() - began
    json.dump({"ms": spent * 1000, "megabytes": _peak_megabytes()}, sys.stdout)


if __name__ == "__main__":
    main()
