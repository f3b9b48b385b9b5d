"""Fixtures of the imaging tests."""

import pytest
from PIL import ImageFile


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
