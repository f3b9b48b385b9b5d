"""The pictures that are measured: what a phone writes, without one in the repository.

Dead leaves: discs and rectangles of every size, each covering what lies below it, sizes falling off by the cube.
Photographs have the same statistics (power over frequency, share of edges). Then the blur of a lens and the grain of
a sensor; luminance varies four times as much as colour, as in nature. A fixed seed, so all machines measure the same.
"""

import random
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SEED = 1
LEAVES_PER_MEGAPIXEL = 3333
SMALLEST_PX = 4
LUMINANCE, COLOUR = 45, 12
BLUR_PX = 0.8
GRAIN = 2.7
# Standard deviation of random bytes after the blur that makes neighbours similar, as demosaicing does.
_BYTES_BLUR_PX, _BYTES_DEVIATION = 0.5, 47


def photo(width: int, height: int) -> Image.Image:
    chance = random.Random(SEED)  # noqa: S311
    sharp = _leaves(2 * width, 2 * height, chance).reduce(2)
    image = sharp.filter(ImageFilter.GaussianBlur(BLUR_PX))
    noise = Image.frombytes("L", (width, height), chance.randbytes(width * height))
    grain = noise.filter(ImageFilter.GaussianBlur(_BYTES_BLUR_PX)).point(
        lambda value: 128.5 + (value - 127.5) * (GRAIN / _BYTES_DEVIATION)
    )
    bands = [grain, ImageChops.offset(grain, 7, 3), ImageChops.offset(grain, 3, 11)]
    return ImageChops.add(image, Image.merge("RGB", bands), 1, -128)


def write(folder: Path) -> dict[str, Path]:
    """The files by name: "12 MP JPEG", …; and "tiny JPEG", …, by which ways load their libraries."""
    twelve, twenty_four = photo(4000, 3000), photo(6000, 4000)
    files = {
        "12 MP JPEG": (twelve, "12.jpg", {"quality": 90, "subsampling": "4:2:0"}),
        "24 MP JPEG": (twenty_four, "24.jpg", {"quality": 90, "subsampling": "4:2:0"}),
        "12 MP WebP": (twelve, "12.webp", {"quality": 85}),
        "12 MP PNG": (twelve, "12.png", {}),
        **{f"tiny {format}": (twelve.crop((0, 0, 64, 64)), f"tiny.{format}", {}) for format in ("jpeg", "webp", "png")},
    }
    for image, name, options in files.values():
        image.save(folder / name, **options)
    return {title: folder / name for title, (_image, name, _options) in files.items()}


def _leaves(width: int, height: int, chance: random.Random) -> Image.Image:
    image = Image.new("RGB", (width, height), (110, 120, 130))
    draw = ImageDraw.Draw(image)
    smallest, largest = 2 * SMALLEST_PX, min(width, height) / 4
    for number in range(LEAVES_PER_MEGAPIXEL * width * height // 4_000_000):
        share = chance.random()
        radius = ((1 - share) / smallest**2 + share / largest**2) ** -0.5
        x, y = chance.uniform(-radius, width + radius), chance.uniform(-radius, height + radius)
        light = chance.gauss(120, LUMINANCE)
        colour = tuple(max(0, min(255, round(light + chance.gauss(0, COLOUR)))) for _band in range(3))
        if number % 3:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        else:
            tall = radius * chance.uniform(0.3, 2)
            draw.rectangle((x - radius, y - tall, x + radius, y + tall), fill=colour)
    return image
