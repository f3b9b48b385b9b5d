"""Face boxes in the pixels of the upright picture, ready to draw. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from media_catalog.models import Face, Image

COLOURS = 8  # distinct box colours in the style sheet, used in turn; the number tells faces apart without colour


@dataclass(frozen=True, kw_only=True)
class Box:
    """A face box in pixels, cut at the picture's edges. `colour` is 1 … COLOURS."""

    face: Face
    colour: int
    x: float
    y: float
    width: float
    height: float


def boxes(image: Image, faces: Iterable[Face]) -> list[Box]:
    """One box for each face that lies in the picture at least in part."""
    made = (_box(image, face) for face in faces)
    return [box for box in made if box.width > 0 and box.height > 0]


def colour(number: int) -> int:
    """The colour of a face by its number, 1 … COLOURS: the same for its box and its row."""
    return (number - 1) % COLOURS + 1


def _box(image: Image, face: Face) -> Box:
    left, top, right, bottom = _upright(image, face)
    left, right = (min(1.0, max(0.0, side)) for side in (left, right))
    top, bottom = (min(1.0, max(0.0, side)) for side in (top, bottom))
    return Box(
        face=face,
        colour=colour(face.number),
        x=round(left * image.width, 2),
        y=round(top * image.height, 2),
        width=round((right - left) * image.width, 2),
        height=round((bottom - top) * image.height, 2),
    )


def _upright(image: Image, face: Face) -> tuple[float, float, float, float]:
    """Left, top, right, bottom as ratios of the upright picture.

    Rekognition answers for the upright picture with JPEG, for the stored one with PNG
    (https://docs.aws.amazon.com/rekognition/latest/dg/images-orientation.html).
    """
    corners = [(face.left, face.top), (face.left + face.width, face.top + face.height)]
    if image.format != "JPEG":
        corners = [_turn(x, y, image.orientation) for x, y in corners]
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _turn(x: float, y: float, orientation: int) -> tuple[float, float]:
    """A point of the stored picture in the upright one, by EXIF orientation."""
    if orientation >= 5:
        x, y = y, x
    if orientation in (2, 3, 6, 7):
        x = 1 - x
    if orientation in (3, 4, 7, 8):
        y = 1 - y
    return x, y
