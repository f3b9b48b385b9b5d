"""Sizes and crops, and specs that mean nothing."""

import itertools
from typing import Any

import pytest

from media_catalog.imaging.geometry import target_size
from media_catalog.imaging.values import MAX_SIDE
from tests.imaging.pictures import spec

BOX = (1024, 786)


@pytest.mark.parametrize(
    ("mode", "box", "upscale", "picture", "size"),
    [
        # fit: proportional, inside the box
        ("fit", (200, None), False, (4000, 3000), (200, 150)),
        ("fit", (None, 150), False, (4000, 3000), (200, 150)),
        ("fit", (200, 200), False, (3000, 4000), (150, 200)),
        ("fit", (200, None), False, (100, 80), (100, 80)),
        ("fit", (200, None), True, (100, 80), (200, 160)),
        ("fit", (200, 120), True, (100, 80), (150, 120)),
        ("fit", (200, None), False, (10_000, 1), (200, 1)),
        ("fit", (200, None), False, (1, 10_000), (1, 10_000)),
        ("fit", (200, 200), False, (1, 10_000), (1, 200)),
        ("fit", (200, None), True, (1, 10_000), (2, MAX_SIDE)),
        ("fit", (200, None), False, (1, 20_000), (1, MAX_SIDE)),
        ("fit", (200, None), True, (1, 1), (200, 200)),
        # fill: exact, or the aspect of the box where the picture is too small
        ("fill", BOX, False, (4000, 3000), BOX),
        ("fill", BOX, False, BOX, BOX),
        ("fill", (124, 124), False, (4000, 3000), (124, 124)),
        ("fill", BOX, False, (1024, 500), (651, 500)),
        ("fill", (1024, 1024), False, BOX, (786, 786)),
        ("fill", (1024, 1024), True, BOX, (1024, 1024)),
        ("fill", (200, 200), False, (1, 1), (1, 1)),
        ("fill", (200, 200), False, (1, 10_000), (1, 1)),
        ("fill", (200, 200), True, (1, 10_000), (200, 200)),
        # stretch: exact, each side for itself
        ("stretch", (200, 100), False, (4000, 3000), (200, 100)),
        ("stretch", (200, 100), False, (50, 3000), (50, 100)),
        ("stretch", (200, 100), True, (50, 30), (200, 100)),
        # a free side: proportional in every mode
        ("fill", (200, None), False, (4000, 3000), (200, 150)),
        ("stretch", (None, 150), False, (4000, 3000), (200, 150)),
    ],
)
def test_size(
    mode: str,
    box: tuple[int | None, int | None],
    upscale: bool,
    picture: tuple[int, int],
    size: tuple[int, int],
) -> None:
    target = target_size(spec(*box, mode, allow_upscale=upscale), *picture)

    assert (target.width, target.height) == size


SIDES = (1, 2, 3, 199, 200, 201, 786, 1023, 10_000)


@pytest.mark.parametrize("mode", ["fit", "fill", "stretch"])
@pytest.mark.parametrize("upscale", [False, True])
def test_no_rendition_is_empty_above_its_box_or_enlarged_against_the_rule(mode: str, upscale: bool) -> None:
    for box in itertools.product((1, 124, 200, 1024), repeat=2):
        asked = spec(box[0], box[1], mode, allow_upscale=upscale)
        for picture in itertools.product(SIDES, repeat=2):
            target = target_size(asked, *picture)
            ceiling = box if upscale else (min(box[0], picture[0]), min(box[1], picture[1]))
            left, top, right, bottom = target.box_on(*picture)

            assert 1 <= target.width <= ceiling[0]
            assert 1 <= target.height <= ceiling[1]
            assert 0 <= left < right <= picture[0]
            assert 0 <= top < bottom <= picture[1]


def test_fill_shows_the_centre() -> None:
    left, top, right, bottom = target_size(spec(100, 100, "fill"), 4000, 3000).box_on(4000, 3000)

    # The frame is 133 × 100, so the crop is off the middle by half a pixel of the frame at most.
    assert (left + right) / 2 == pytest.approx(2000, abs=0.5 * 4000 / 133 + 0.01)
    assert (right - left) / (bottom - top) == pytest.approx(1, abs=0.01)
    assert (top, bottom) == (0, 3000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": None, "height": None},
        {"width": 0},
        {"height": -5},
        {"width": MAX_SIDE + 1},
        {"mode": "squeeze"},
        {"format": "GIF"},
        {"quality": 0},
        {"quality": 101},
    ],
)
def test_a_spec_that_means_nothing_is_a_mistake_of_ours(wrong: dict[str, object]) -> None:
    values: dict[str, Any] = {"width": 200, "height": 100, **wrong}

    with pytest.raises(ValueError, match="some: "):
        spec(**values)
