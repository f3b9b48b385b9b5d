"""The sample pictures are what the first look at the product rests on."""

import io

import pytest
from PIL import ExifTags, Image

from localcloud.detect_faces import detect_faces
from localcloud.samples import sample_pictures


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return dict(sample_pictures())


def test_every_person_is_found_and_nobody_in_the_landscape(pictures: dict[str, bytes]) -> None:
    assert {name: len(detect_faces(data)["FaceDetails"]) for name, data in pictures.items()} == {
        "studio-portrait.jpg": 1,
        "friends-in-the-park.jpg": 2,
        "team-in-the-office.jpg": 3,
        "evening-portrait.png": 1,
        "at-the-beach.jpg": 2,
        "mountain-lake.jpg": 0,
        "phone-portrait.jpg": 1,
    }


def test_they_are_files_as_cameras_make_them(pictures: dict[str, bytes]) -> None:
    for name, data in pictures.items():
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (1600, 1067)
            assert image.format == {"jpg": "JPEG", "png": "PNG"}[name.rpartition(".")[2]]
            assert image.getexif().get(ExifTags.Base.Orientation) == (6 if name == "phone-portrait.jpg" else None)


def test_they_are_the_same_every_time(pictures: dict[str, bytes]) -> None:
    assert dict(sample_pictures()) == pictures
