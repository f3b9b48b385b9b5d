"""Sample pictures for a first look at the product and for tests, drawn anew each time and always the same.

Every face is one that `detect_faces` finds; the landscape has none.
"""

import io
import itertools
import random
from collections.abc import Sequence

from PIL import ExifTags, Image, ImageDraw, ImageFilter

from localcloud.drawing import Colour, Face, Look, draw_face, mix, scene, shade

__all__ = ["Face", "Look", "draw_face", "encode", "sample_pictures", "scene"]

SIZE = (1600, 1067)

ADA = Look(skin=(224, 180, 150), hair=(60, 40, 30), shirt=(46, 82, 136), long_hair=True)
BEN = Look(skin=(198, 140, 105), hair=(24, 20, 20), shirt=(60, 110, 80))
CHIMA = Look(skin=(141, 85, 60), hair=(20, 18, 18), shirt=(196, 84, 62), long_hair=True)
DORA = Look(skin=(255, 219, 190), hair=(200, 170, 110), shirt=(120, 70, 120), long_hair=True)
EMIL = Look(skin=(240, 200, 170), hair=(120, 120, 125), shirt=(70, 74, 84))
FEMI = Look(skin=(104, 68, 50), hair=(20, 18, 18), shirt=(222, 178, 70))


def sample_pictures() -> list[tuple[str, bytes]]:
    """(file name, bytes) of JPEG files and one PNG, about 1600 × 1067 pixels.

    All have one to three faces but `mountain-lake.jpg`; `phone-portrait.jpg` is stored lying on its side
    with EXIF orientation 6, as telephones do.
    """
    return [
        ("studio-portrait.jpg", encode(_studio())),
        ("friends-in-the-park.jpg", encode(_park())),
        ("team-in-the-office.jpg", encode(_office())),
        ("evening-portrait.png", encode(_evening(), format="PNG")),
        ("at-the-beach.jpg", encode(_beach())),
        ("mountain-lake.jpg", encode(_mountain_lake())),
        ("phone-portrait.jpg", encode(_phone_portrait(), orientation=6)),
    ]


# What turns an upright picture into one that EXIF orientation N says how to turn back.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encode(upright: Image.Image, *, format: str = "JPEG", orientation: int | None = None) -> bytes:
    """The file of a picture; with an EXIF orientation (1 to 8) its pixels are stored turned accordingly."""
    exif = Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    stored = upright.transpose(_STORED[orientation]) if orientation in _STORED else upright
    file = io.BytesIO()
    stored.save(file, format, quality=90, exif=exif)
    return file.getvalue()


def _studio() -> Image.Image:
    backdrop = _glow((226, 221, 212), (150, 148, 150))
    return scene(*SIZE, [Face(800, 520, 400, ADA)], backdrop)


def _park() -> Image.Image:
    backdrop = _gradient([(150, 196, 232), (214, 232, 240)])
    draw = ImageDraw.Draw(backdrop)
    trees = _dice(1)
    for x in range(-40, SIZE[0] + 80, 90):
        radius = trees.randint(110, 190)
        colour = shade((92, 138, 84), trees.uniform(0.85, 1.15))
        draw.circle((x, 560 + trees.randint(-40, 40)), radius, colour)
    draw.rectangle((0, 600, *SIZE), (128, 168, 98))
    soft = backdrop.filter(ImageFilter.GaussianBlur(14))
    return scene(*SIZE, [Face(520, 520, 290, BEN), Face(1060, 500, 280, CHIMA)], soft)


def _office() -> Image.Image:
    backdrop = _gradient([(232, 230, 224), (206, 202, 196)])
    draw = ImageDraw.Draw(backdrop)
    for left in (120, 620, 1120):
        draw.rectangle((left, 60, left + 360, 420), (178, 206, 226))
        draw.line((left + 180, 60, left + 180, 420), (240, 240, 238), 14)
    draw.rectangle((0, 780, *SIZE), (150, 122, 98))
    soft = backdrop.filter(ImageFilter.GaussianBlur(10))
    people = [Face(380, 530, 230, EMIL), Face(1220, 530, 230, DORA), Face(800, 560, 260, FEMI)]
    return scene(*SIZE, people, soft)


def _evening() -> Image.Image:
    backdrop = _gradient([(66, 60, 108), (176, 98, 112), (244, 170, 112)])
    lights = _dice(2)
    draw = ImageDraw.Draw(backdrop)
    for _ in range(26):
        place = lights.randint(0, SIZE[0]), lights.randint(620, SIZE[1])
        draw.circle(place, lights.randint(14, 44), mix((255, 214, 150), (176, 98, 112), lights.uniform(0.3, 0.8)))
    soft = backdrop.filter(ImageFilter.GaussianBlur(6))
    return scene(*SIZE, [Face(640, 540, 360, DORA)], soft)


def _beach() -> Image.Image:
    backdrop = _gradient([(126, 190, 230), (206, 230, 240)])
    draw = ImageDraw.Draw(backdrop)
    draw.rectangle((0, 470, *SIZE), (64, 146, 170))
    draw.rectangle((0, 700, *SIZE), (232, 212, 168))
    draw.circle((1380, 170), 80, (255, 244, 206))
    soft = backdrop.filter(ImageFilter.GaussianBlur(8))
    return scene(*SIZE, [Face(560, 500, 300, EMIL), Face(1000, 540, 280, ADA)], soft)


def _phone_portrait() -> Image.Image:
    width, height = SIZE[1], SIZE[0]
    backdrop = _glow((214, 226, 206), (122, 150, 132)).resize((width, height))
    return scene(width, height, [Face(530, 640, 400, CHIMA)], backdrop)


def _mountain_lake() -> Image.Image:
    picture = _gradient([(104, 158, 208), (232, 220, 206)])
    draw = ImageDraw.Draw(picture)
    draw.circle((1240, 400), 62, (255, 240, 206))
    slopes = _dice(3)
    for base, rise, colour in [
        (560, 330, (134, 150, 176)),
        (610, 210, (96, 118, 140)),
        (650, 110, (70, 98, 92)),
    ]:
        draw.polygon([(0, 700), *_ridge(slopes, base, rise), (SIZE[0], 700)], colour)
    # The lake is the mirrored upper half, darker towards the shore that the viewer stands on.
    shore = 680
    mirrored = picture.crop((0, 2 * shore - SIZE[1], SIZE[0], shore)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = Image.blend(mirrored, Image.new("RGB", mirrored.size, (40, 84, 112)), 0.35)
    picture.paste(water.filter(ImageFilter.BoxBlur((9, 2))), (0, shore))
    return picture.filter(ImageFilter.GaussianBlur(1))


def _ridge(slopes: random.Random, base: int, rise: int) -> list[tuple[float, float]]:
    """A mountain line from edge to edge by halving: each middle point is moved by ever less."""
    heights = [0.0, 0.0]
    move = float(rise)
    while len(heights) < 200:
        between = [(a + b) / 2 + slopes.uniform(-0.25, 1) * move for a, b in itertools.pairwise(heights)]
        heights = [height for pair in zip(heights, between, strict=False) for height in pair] + [heights[-1]]
        move *= 0.45
    step = SIZE[0] / (len(heights) - 1)
    return [(number * step, base - height) for number, height in enumerate(heights)]


def _dice(seed: int) -> random.Random:
    """Chance that falls the same way every time."""
    return random.Random(seed)  # noqa: S311 - no secret depends on it


def _gradient(colours: Sequence[Colour]) -> Image.Image:
    """From top to bottom through these colours."""
    column = Image.new("RGB", (1, len(colours)))
    column.putdata(list(colours))
    return column.resize(SIZE, Image.Resampling.BICUBIC)


def _glow(centre: Colour, edge: Colour) -> Image.Image:
    """Light in the middle, falling off towards the edges, as behind a portrait."""
    distance = Image.radial_gradient("L").resize(SIZE, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", SIZE, edge), Image.new("RGB", SIZE, centre), distance)
