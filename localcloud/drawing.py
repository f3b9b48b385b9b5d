"""People drawn with Pillow, so that no photograph of anybody is needed.

A drawn face is shaded like a frontal photograph, which is what the detector in `detect_faces` looks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Drawn larger and scaled down: Pillow's primitives have no smooth edges of their own.
OVERSAMPLING = 2
HEAD_HEIGHT = 1.3  # in head widths


@dataclass(frozen=True)
class Look:
    """The colours of one person, and whether the hair reaches the shoulders."""

    skin: Colour = (224, 180, 150)
    hair: Colour = (60, 40, 30)
    shirt: Colour = (50, 80, 130)
    long_hair: bool = False


@dataclass(frozen=True)
class Face:
    """A head to draw: its centre and width in pixels of the finished picture."""

    x: float
    y: float
    width: float
    look: Look = Look()

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the oval of the head in pixels; hair and neck do not count."""
        half_width, half_height = self.width / 2, self.width * HEAD_HEIGHT / 2
        return self.x - half_width, self.y - half_height, self.x + half_width, self.y + half_height


@dataclass(frozen=True)
class _Pen:
    """Draws in head widths from the centre of a head."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    unit: float

    def at(self, x: float, y: float) -> Point:
        return self.x + x * self.unit, self.y + y * self.unit

    def oval(self, centre: Point, radii: Point, fill: Colour) -> None:
        (x, y), (across, down) = centre, radii
        self.draw.ellipse([self.at(x - across, y - down), self.at(x + across, y + down)], fill)

    def line(self, points: Sequence[Point], thickness: float, fill: Colour) -> None:
        width = max(2, round(thickness * self.unit))
        self.draw.line([self.at(*point) for point in points], fill, width, joint="curve")

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        self.draw.polygon([self.at(*point) for point in points], fill)


def scene(
    width: int, height: int, faces: Sequence[Face] = (), background: Image.Image | Colour = (176, 196, 208)
) -> Image.Image:
    """An RGB picture of `width` × `height` pixels with these people, the last one in front."""
    if isinstance(background, Image.Image):
        canvas = background.resize((width, height), Image.Resampling.BICUBIC)
    else:
        canvas = Image.new("RGB", (width, height), background)
    for face in faces:
        draw_face(canvas, face)
    return canvas


def draw_face(canvas: Image.Image, face: Face) -> None:
    """Draw head and shoulders onto an RGB picture, cut off at its edges."""
    left, top = max(0, round(face.x - 1.4 * face.width)), max(0, round(face.y - face.width))
    right, bottom = (
        min(canvas.width, round(face.x + 1.4 * face.width)),
        min(canvas.height, round(face.y + 5 * face.width)),
    )
    place = canvas.crop((left, top, right, bottom))
    fine = place.resize((place.width * OVERSAMPLING, place.height * OVERSAMPLING), Image.Resampling.NEAREST)
    x, y, unit = ((part * OVERSAMPLING) for part in (face.x - left, face.y - top, face.width))
    _person(fine, _Pen(ImageDraw.Draw(fine), x, y, unit), face.look)
    canvas.paste(fine.reduce(OVERSAMPLING), (left, top))


def _person(canvas: Image.Image, pen: _Pen, look: Look) -> None:
    _shoulders(pen, look)
    _head(pen, look)
    for side in (-1, 1):
        _eye(pen, look, side)
    _nose(pen, look.skin)
    _mouth(pen, look.skin)
    _soften(canvas, pen)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor below 1) or lighter (above 1)."""
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` (0 to 1) of `other` in `one`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _lit(skin: Colour, share: float) -> Colour:
    """Skin where light falls on it; added, not multiplied, or dark skin would show no form."""
    return mix(skin, (255, 240, 225), share)


def _shoulders(pen: _Pen, look: Look) -> None:
    if look.long_hair:
        pen.oval((0, 0.25), (0.68, 0.95), look.hair)
    pen.oval((0, 2.75), (1.25, 1.95), look.shirt)
    pen.shape([(-0.3, 0.86), (0.3, 0.86), (0, 1.2)], shade(look.skin, 0.8))
    pen.shape([(-0.18, 0.4), (0.18, 0.4), (0.22, 0.95), (-0.22, 0.95)], shade(look.skin, 0.8))


def _head(pen: _Pen, look: Look) -> None:
    pen.oval((0, -0.14), (0.57, 0.68), look.hair)
    pen.oval((0, 0), (0.5, HEAD_HEIGHT / 2), shade(look.skin, 0.9))
    pen.draw.chord([pen.at(-0.57, -0.82), pen.at(0.57, 0.54)], 205, 335, look.hair)
    pen.oval((0, 0.05), (0.45, 0.53), look.skin)
    for side in (-1, 1):
        pen.oval((side * 0.29, 0.17), (0.12, 0.1), _lit(look.skin, 0.07))


def _eye(pen: _Pen, look: Look, side: int) -> None:
    x = side * 0.215
    pen.oval((x, -0.1), (0.155, 0.095), shade(look.skin, 0.6))
    pen.oval((x, -0.085), (0.12, 0.056), mix((245, 245, 245), look.skin, 0.15))
    pen.oval((x, -0.085), (0.055, 0.055), (40, 30, 25))
    pen.oval((x + 0.015, -0.1), (0.015, 0.015), (255, 255, 255))
    brow = [(x - 0.14, -0.21), (x, -0.245), (x + 0.14, -0.21)]
    pen.line(brow, 0.045, mix(look.hair, shade(look.skin, 0.3), 0.6))


def _nose(pen: _Pen, skin: Colour) -> None:
    pen.shape([(-0.035, -0.1), (0.035, -0.1), (0.085, 0.15), (-0.085, 0.15)], _lit(skin, 0.18))
    for side in (-1, 1):
        pen.oval((side * 0.06, 0.155), (0.028, 0.018), shade(skin, 0.5))
    pen.line([(-0.09, 0.16), (0, 0.2), (0.09, 0.16)], 0.02, shade(skin, 0.6))


def _mouth(pen: _Pen, skin: Colour) -> None:
    upper = [(-0.19, 0.305), (-0.08, 0.3), (0, 0.315), (0.08, 0.3), (0.19, 0.305)]
    lower = [(0.12, 0.375), (0, 0.4), (-0.12, 0.375)]
    pen.shape([*upper, *lower], mix((170, 60, 65), skin, 0.25))
    smile = [(-0.2, 0.3), (-0.12, 0.335), (0, 0.35), (0.12, 0.335), (0.2, 0.3)]
    pen.line(smile, 0.02, shade(skin, 0.3))
    pen.oval((0, 0.44), (0.11, 0.022), shade(skin, 0.75))


def _soften(canvas: Image.Image, pen: _Pen) -> None:
    """Blur the head a little: hard edges are what drawings have and photographs have not."""
    left, top = (round(part) for part in pen.at(-0.8, -1))
    right, bottom = (round(part) for part in pen.at(0.8, 1))
    soft = canvas.crop((left, top, right, bottom)).filter(ImageFilter.GaussianBlur(pen.unit / 90))
    mask = Image.new("L", soft.size)
    margin = round(pen.unit / 20)
    ImageDraw.Draw(mask).rectangle([margin, margin, soft.width - margin, soft.height - margin], 255)
    canvas.paste(soft, (left, top), mask.filter(ImageFilter.GaussianBlur(margin / 3)))
