"""All renditions of a picture from one decode.

The decode is as small as the largest rendition allows (JPEG). From it comes a frame, the whole picture at
the size of the largest rendition; then the renditions, largest first, each out of the frame or of a
finished rendition that is still large enough. Measured on 12 MP: 6 times faster than decoding and
resampling for each one.
"""

import io
import math
from collections.abc import Iterator, Sequence

from PIL import Image

from media_catalog.imaging import encoding, opening, pixels
from media_catalog.imaging.formats import content_type
from media_catalog.imaging.geometry import Target, target_size
from media_catalog.imaging.orientation import swaps_sides, upright
from media_catalog.imaging.values import Limits, Made, Spec

__all__ = ["Limits", "Made", "Spec", "make", "target_size"]

# What we shrink a second time must be this much larger than what comes out. With less, a reduced JPEG
# decode falls below 45 dB against a full one (1.0: 43.1, 1.25: 44.4, 1.43: 47.6, 2.0: 51.1 dB).
_MARGIN = 1.4
# From three times the size on, Pillow may average whole pixels first: several times faster at ≥ 54 dB.
_REDUCING_GAP = 3.0


def make(source: bytes, specs: Sequence[Spec], *, limits: Limits) -> list[Made]:
    """One rendition per spec, in their order, upright as browsers show the original.

    Of an animation, the first frame. Raises ImageRefused; also (too_many_pixels, with the size of the
    rendition) when a rendition itself would be above `limits.max_pixels`.
    """
    if not specs:
        return []
    with opening.opened(io.BytesIO(source), limits=limits) as picture:
        targets = [target_size(spec, picture.width, picture.height) for spec in specs]
        for target in targets:
            opening.check_pixels(target.width, target.height, limits=limits)
        frame = _frame(picture, targets)
    made = {index: _made(specs[index], image, picture.format) for index, image in _images(frame, targets)}
    return [made[index] for index in range(len(specs))]


def _frame(picture: opening.Picture, targets: Sequence[Target]) -> Image.Image:
    """The whole picture, upright and presentable, as small as the largest target allows."""
    need = (max(target.frame_width for target in targets), max(target.frame_height for target in targets))
    stored = need[::-1] if swaps_sides(picture.orientation) else need
    decoded, box = opening.decode(picture, at_least=(math.ceil(stored[0] * _MARGIN), math.ceil(stored[1] * _MARGIN)))
    size = (min(stored[0], decoded.width), min(stored[1], decoded.height))
    small = pixels.resizable(decoded).resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_REDUCING_GAP)
    return upright(pixels.presentable(small, decoded.info.get("icc_profile")), picture.orientation)


def _images(frame: Image.Image, targets: Sequence[Target]) -> Iterator[tuple[int, Image.Image]]:
    """The pixels of each target with its index, largest first."""
    layers = [frame]
    order = sorted(range(len(targets)), key=lambda i: targets[i].frame_width * targets[i].frame_height, reverse=True)
    for index in order:
        target = targets[index]
        image = _cut(_layer_for(target, layers), target)
        if target.whole:
            layers.append(image)
        yield index, image


def _layer_for(target: Target, layers: Sequence[Image.Image]) -> Image.Image:
    """The smallest layer with a margin over the target; else the first one, the frame."""
    return min(
        (
            layer
            for layer in layers
            if layer.width >= target.frame_width * _MARGIN and layer.height >= target.frame_height * _MARGIN
        ),
        key=lambda layer: layer.width * layer.height,
        default=layers[0],
    )


def _cut(layer: Image.Image, target: Target) -> Image.Image:
    return layer.resize(
        (target.width, target.height),
        Image.Resampling.LANCZOS,
        box=target.box_on(*layer.size),
        reducing_gap=_REDUCING_GAP,
    )


def _made(spec: Spec, image: Image.Image, source_format: str) -> Made:
    format = source_format if spec.format == "source" else spec.format
    shown = pixels.blurred(image, spec.blur)
    return Made(
        slug=spec.slug,
        body=encoding.encode(shown, format=format, quality=spec.quality),
        width=image.width,
        height=image.height,
        format=format,
        content_type=content_type(format),
    )
