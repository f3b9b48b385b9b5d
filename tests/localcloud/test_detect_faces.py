"""The detector finds drawn faces where they were drawn, and says of them only what it knows."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image

from localcloud.detect_faces import DetectionError, confidence, detect_faces
from localcloud.samples import Face, Look, encode, scene

Box = tuple[float, float, float, float]

LOOKS = [
    Look(),
    Look(skin=(255, 219, 190), hair=(200, 170, 110), shirt=(160, 60, 80), long_hair=True),
    Look(skin=(198, 140, 105), hair=(20, 18, 18), shirt=(60, 110, 80)),
    Look(skin=(141, 85, 60), hair=(20, 18, 18), shirt=(200, 190, 180), long_hair=True),
    Look(skin=(104, 68, 50), hair=(24, 20, 20), shirt=(220, 170, 60)),
    Look(skin=(240, 200, 170), hair=(120, 120, 125), shirt=(40, 44, 60)),
]
# The smallest head that the detector promises to find, by the longer side of the picture.
SMALLEST = 1 / 32


@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
def test_finds_every_drawn_face_whichever_way_the_file_is_turned(orientation: int | None) -> None:
    dice = random.Random(orientation or 0)
    size = dice.choice([(960, 640), (640, 960)])
    faces = _crowd(dice, size)
    found = _boxes(detect_faces(encode(scene(*size, faces, _wall(dice)), orientation=orientation)), size)
    # The true box of a drawn face is the oval of its head: chin to crown, ear to ear, without hair and neck.
    missed = [face for face in faces if max((_iou(face.box, box) for box in found), default=0) < 0.5]
    assert not missed
    assert len(found) == len(faces)


@pytest.mark.parametrize("look", LOOKS)
def test_finds_heads_of_the_smallest_promised_size(look: Look) -> None:
    face = Face(1200, 500, 1600 * SMALLEST, look)
    [box] = _boxes(detect_faces(encode(scene(1600, 1067, [face]))), (1600, 1067))
    assert _iou(box, face.box) >= 0.5


def test_faces_come_largest_first() -> None:
    faces = [Face(90, 125, 60), Face(260, 150, 110), Face(430, 125, 75)]
    found = _boxes(detect_faces(encode(scene(500, 330, faces))), (500, 330))
    assert [round((left + right) / 2, -1) for left, _, right, _ in found] == [260, 430, 90]


def test_tells_a_box_and_a_confidence_and_invents_nothing() -> None:
    [face] = detect_faces(encode(scene(300, 240, [Face(150, 115, 100)])))["FaceDetails"]
    assert face.keys() == {"BoundingBox", "Confidence"}
    assert face["BoundingBox"].keys() == {"Left", "Top", "Width", "Height"}
    assert 90 < face["Confidence"] < 100


def test_confidence_grows_with_the_score() -> None:
    percentages = [confidence(score / 10) for score in range(-10, 30)]
    assert percentages == sorted(set(percentages))
    assert confidence(0) == 50
    assert 0 < percentages[0] < percentages[-1] < 100


def test_a_face_at_the_edge_keeps_the_part_of_its_box_that_lies_outside() -> None:
    [face] = detect_faces(encode(scene(300, 240, [Face(40, 117, 100)])))["FaceDetails"]
    assert face["BoundingBox"]["Left"] < 0


def test_a_png_is_not_turned_by_its_exif() -> None:
    picture = scene(300, 240, [Face(120, 110, 90)])
    upright = detect_faces(encode(picture, format="PNG"))
    # The pixels of this file are turned, so with orientation applied a face would be found.
    lying = encode(picture, format="PNG", orientation=6)
    assert upright["FaceDetails"]
    assert not detect_faces(lying)["FaceDetails"]
    assert detect_faces(encode(picture, orientation=6))["FaceDetails"]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_reads_grey_and_cmyk_jpegs(mode: str) -> None:
    assert detect_faces(encode(scene(300, 240, [Face(120, 110, 90)]).convert(mode)))["FaceDetails"]


@pytest.mark.parametrize("format", ["WEBP", "GIF", "TIFF"])
def test_refuses_other_formats(format: str) -> None:
    assert _refusal(encode(Image.new("RGB", (200, 200)), format=format)) == "InvalidImageFormatException"


@pytest.mark.parametrize("kept", [0, 20, 1000])
def test_refuses_a_file_that_is_cut_off(kept: int) -> None:
    assert _refusal(encode(scene(200, 200))[:kept]) == "InvalidImageFormatException"


def test_refuses_pictures_below_80_pixels() -> None:
    assert _refusal(encode(Image.new("RGB", (79, 400)))) == "InvalidParameterException"
    assert detect_faces(encode(Image.new("RGB", (80, 80)))) == {"FaceDetails": []}


def test_refuses_more_bytes_than_allowed() -> None:
    data = encode(Image.new("RGB", (100, 100)))
    assert detect_faces(data, max_bytes=len(data)) == {"FaceDetails": []}
    with pytest.raises(DetectionError) as refusal:
        detect_faces(data, max_bytes=len(data) - 1)
    assert refusal.value.code == "ImageTooLargeException"


def _crowd(dice: random.Random, size: tuple[int, int]) -> list[Face]:
    """Four heads at random places and of random widths, each in its own quarter of the picture."""
    width, height = size
    faces = []
    for column in (0, 1):
        for row in (0, 1):
            head = dice.uniform(max(size) * SMALLEST, min(width / 2 / 2.6, height / 2 / 1.8))
            x = dice.uniform(column * width / 2 + head * 0.9, (column + 1) * width / 2 - head * 0.9)
            y = dice.uniform(row * height / 2 + head * 0.9, (row + 1) * height / 2 - head * 0.7)
            faces.append(Face(x, y, head, dice.choice(LOOKS)))
    return sorted(faces, key=lambda face: face.y)  # the lower ones stand in front


def _wall(dice: random.Random) -> tuple[int, int, int]:
    return dice.randint(60, 240), dice.randint(60, 240), dice.randint(60, 240)


def _boxes(answer: dict[str, Any], size: tuple[int, int]) -> list[Box]:
    """The boxes of an answer in pixels: left, top, right, bottom."""
    width, height = size
    boxes = [face["BoundingBox"] for face in answer["FaceDetails"]]
    return [
        (
            box["Left"] * width,
            box["Top"] * height,
            (box["Left"] + box["Width"]) * width,
            (box["Top"] + box["Height"]) * height,
        )
        for box in boxes
    ]


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


def _refusal(data: bytes) -> str:
    with pytest.raises(DetectionError) as refusal:
        detect_faces(data)
    return refusal.value.code
