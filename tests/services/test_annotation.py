"""Boxes: from stored ratios to pixels of the upright picture."""

import pytest

from media_catalog.models import Face, Image
from media_catalog.services.annotation import COLOURS, boxes


def _image(**fields) -> Image:
    return Image(**{"width": 1000, "height": 500, "format": "JPEG", "orientation": 1, **fields})


def _face(left, top, width, height, number=1) -> Face:
    return Face(number=number, left=left, top=top, width=width, height=height)


def _pixels(image, face):
    return [(box.x, box.y, box.width, box.height) for box in boxes(image, [face])]


@pytest.mark.parametrize(
    ("face", "expected"),
    [
        (_face(0.1, 0.2, 0.3, 0.4), [(100, 100, 300, 200)]),
        (_face(-0.1, -0.2, 0.3, 0.4), [(0, 0, 200, 100)]),
        (_face(0.9, 0.9, 0.3, 0.4), [(900, 450, 100, 50)]),
        (_face(1.1, 0, 0.1, 0.1), []),
    ],
)
def test_boxes_are_cut_at_the_edges(face, expected):
    assert _pixels(_image(), face) == [pytest.approx(box) for box in expected]


def test_a_turned_jpeg_is_answered_upright():
    assert _pixels(_image(orientation=6), _face(0.1, 0.2, 0.3, 0.4)) == [pytest.approx((100, 100, 300, 200))]


# Where the top-left corner of the stored picture lies in the upright one, by EXIF orientation.
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, "TL"), (2, "TR"), (3, "BR"), (4, "BL"), (5, "TL"), (6, "TR"), (7, "BR"), (8, "BL")],
)
def test_a_turned_png_is_answered_as_stored(orientation, corner):
    [(x, y, width, height)] = _pixels(_image(format="PNG", orientation=orientation), _face(0, 0, 0.1, 0.2))

    assert ("B" if y > 0 else "T") + ("R" if x > 0 else "L") == corner
    assert (width, height) == pytest.approx((100, 100) if orientation < 5 else (200, 50))


def test_colours_come_in_turn():
    faces = [_face(0.1, 0.1, 0.1, 0.1, number) for number in range(1, COLOURS + 3)]

    assert [box.colour for box in boxes(_image(), faces)] == [*range(1, COLOURS + 1), 1, 2]
