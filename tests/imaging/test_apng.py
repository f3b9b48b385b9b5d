"""A PNG with another picture in front of its animation."""

import io
import struct

import pytest

from media_catalog.imaging import apng, headers
from media_catalog.imaging.opening import opened
from media_catalog.imaging.probe import probe
from tests.imaging.kinds import animated_behind
from tests.imaging.pictures import ALL, RED, corners, decoded, encoded, exif, plain, png_chunk, quarters, rendered, spec


def test_nothing_is_kept_but_the_first_frame() -> None:
    found = apng.first_frame(io.BytesIO(animated_behind(quarters(60, 40, [RED] * 4), exif(orientation=6))))

    assert found
    body = found.read()
    assert [body.count(name) for name in (b"acTL", b"eXIf", b"fcTL", b"fdAT")] == [1, 1, 1, 0]
    assert corners(decoded(body)) == [RED] * 4


def test_an_animation_without_frames_is_the_picture_in_front() -> None:
    body = encoded(plain(60, 40))
    body = body[:33] + png_chunk(b"acTL", struct.pack(">II", 3, 0)) + body[33:]

    assert apng.first_frame(io.BytesIO(body)) is None
    assert probe(io.BytesIO(body), limits=ALL).frames == 1
    assert corners(rendered(body, spec(20, None))) == [RED] * 4


def test_no_place_is_larger_than_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what lies outside would take memory: nobody has bounded it."""
    monkeypatch.setattr(headers, "webp_place", lambda source: (8, 50, 2**24, 2**24))

    with opened(io.BytesIO(encoded(plain(60, 40), "WEBP")), limits=ALL) as picture:
        assert picture.place == (8, 40, 60, 40)
