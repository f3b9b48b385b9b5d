"""Fixtures of the imaging tests."""

from typing import Any

import pytest
from PIL import Image, ImageFile


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The size of every picture that a decoder of Pillow has written, in order."""
    sizes: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def counting(image: ImageFile.ImageFile) -> object:
        # An image has tiles exactly as long as its pixels are still to be decoded.
        if image.tile:
            sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counting)
    return sizes


@pytest.fixture
def resizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The size before and after of every resampling that was asked for, in order."""
    sizes: list[tuple[tuple[int, int], tuple[int, int]]] = []
    resize = Image.Image.resize

    def recording(image: Image.Image, size: tuple[int, int], *args: Any, **options: Any) -> Image.Image:
        sizes.append((image.size, size))
        return resize(image, size, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", recording)
    return sizes
