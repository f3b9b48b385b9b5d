"""All renditions of a picture from one decode.

The decode is as small as the largest rendition allows (JPEG). From it comes a frame, the whole picture at
the size of the largest rendition; then the frames of the others, largest first, each out of a larger one
that was made before. A rendition is cut out of its frame, so those that differ in their cut share one.
"""

import io
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from PIL import Image

from media_catalog.imaging import apart, averaging, encoding, memory, opening, pixels
from media_catalog.imaging.drafting import Box
from media_catalog.imaging.formats import content_type, rendered_as
from media_catalog.imaging.geometry import Target, target_size
from media_catalog.imaging.orientation import swaps_sides, upright
from media_catalog.imaging.values import Limits, Made, Spec

__all__ = ["Limits", "Made", "Spec", "make", "make_here", "target_size"]

# What we shrink a second time must be this much larger than what comes out. With less, a reduced JPEG
# decode falls below 45 dB against a full one (1.0: 43.1, 1.25: 44.4, 1.43: 47.6, 2.0: 51.1 dB).
_MARGIN = 1.4
# Pillow may average whole pixels first as long as the result stays this much larger than what comes out:
# several times faster at ≥ 48 dB.
_REDUCING_GAP = 2.5


def make(source: bytes | BinaryIO, specs: Sequence[Spec], *, limits: Limits) -> list[Made]:
    """One rendition per spec, in their order, upright as browsers show the original.

    A file as `source` is not read into memory, unless its decoder runs in a child process.
    Of an animation, the first frame. Raises ImageRefused; also (too_many_pixels, with the size of the
    rendition) when a rendition itself would be above `limits.max_pixels`. MemoryError when there is too little at
    the moment.
    """
    if not specs:
        return []
    file = _file(source)
    claim = opening.announced(file, limits=limits)
    sizes = [_most_pixels(spec, claim.width, claim.height) for spec in specs]
    formats = [_format(spec, claim.format) for spec in specs]
    # One is encoded after the other.
    encoders = max(size * encoding.BYTES_PER_PIXEL[format] for size, format in zip(sizes, formats, strict=True))
    need = claim.memory(file) + encoders
    with memory.taking(need):
        if not claim.is_apart(need):
            return make_here(file, specs, limits=limits)
        file.seek(0)
        work = claim.width * claim.height + sum(sizes)
        return apart.make(file.read(), specs, limits=limits, pixels=work, memory=need)


def make_here(source: bytes | BinaryIO, specs: Sequence[Spec], *, limits: Limits) -> list[Made]:
    """As `make`, of any format in this process."""
    format, targets, frame = _decoded(_file(source), specs, limits)
    made = {index: _made(specs[index], image, format) for index, image in _images(frame, targets)}
    return [made[index] for index in range(len(specs))]


def _format(spec: Spec, source_format: str) -> str:
    return rendered_as(source_format) if spec.format == "source" else spec.format


def _most_pixels(spec: Spec, width: int, height: int) -> int:
    """Of the rendition, whichever way the picture must be turned."""
    targets = (target_size(spec, width, height), target_size(spec, height, width))
    return max(target.width * target.height for target in targets)


def _file(source: bytes | BinaryIO) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _decoded(source: BinaryIO, specs: Sequence[Spec], limits: Limits) -> tuple[str, list[Target], Image.Image]:
    """The format, the targets and the frame of the largest. What was decoded for it is given back at the end."""
    with opening.opened(source, limits=limits) as picture:
        targets = [target_size(spec, picture.width, picture.height) for spec in specs]
        for target in targets:
            opening.check_pixels(target.width, target.height, limits=limits)
        return picture.format, targets, _frame(picture, targets)


def _frame(picture: opening.Picture, targets: Sequence[Target]) -> Image.Image:
    """The whole picture, upright and presentable, as small as the largest target allows."""
    need = (max(target.frame_width for target in targets), max(target.frame_height for target in targets))
    stored = need[::-1] if swaps_sides(picture.orientation) else need
    decoded, box = opening.decode(picture, at_least=(math.ceil(stored[0] * _MARGIN), math.ceil(stored[1] * _MARGIN)))
    size = (min(stored[0], decoded.width), min(stored[1], decoded.height))
    # Decoding leaves facts that colours depend on, and the next steps drop them.
    icc = decoded.info.get("icc_profile")
    ready = picture.place is None and averaging.is_ready(decoded)
    small = _resampled(decoded, size, box) if ready else _averaged(decoded, size, picture.place)
    return upright(pixels.presentable(small, icc), picture.orientation)


def _averaged(decoded: Image.Image, size: tuple[int, int], place: averaging.Place | None) -> Image.Image:
    """As `_resampled` of the whole, for modes that must be changed before."""
    across, down = (max(1, int(decoded.size[axis] / size[axis] / _REDUCING_GAP)) for axis in (0, 1))
    ready = averaging.averaged(decoded, (across, down), mixed=size != decoded.size, place=place)
    return _resampled(ready, size, (0, 0, decoded.width / across, decoded.height / down))


def _images(frame: Image.Image, targets: Sequence[Target]) -> Iterator[tuple[int, Image.Image]]:
    """The pixels of each target with its index, largest frame first."""
    layers = [frame]
    order = sorted(range(len(targets)), key=lambda index: _frame_order(targets[index]), reverse=True)
    for (_area, width, height), indexes in itertools.groupby(order, key=lambda index: _frame_order(targets[index])):
        layer = _layer_for(width, height, layers)
        if width > frame.width or height > frame.height:
            # Enlarged, the whole may be far larger than its cut.
            yield from ((index, _cut(layer, targets[index])) for index in indexes)
            continue
        whole = _resampled(layer, (width, height), (0, 0, *layer.size))
        layers.append(whole)
        yield from ((index, _cut(whole, targets[index])) for index in indexes)


def _frame_order(target: Target) -> tuple[int, int, int]:
    return target.frame_width * target.frame_height, target.frame_width, target.frame_height


def _layer_for(width: int, height: int, layers: Sequence[Image.Image]) -> Image.Image:
    """The smallest layer with a margin over a frame of this size; else the first one, the largest."""
    return min(
        (layer for layer in layers if layer.width >= width * _MARGIN and layer.height >= height * _MARGIN),
        key=lambda layer: layer.width * layer.height,
        default=layers[0],
    )


def _cut(layer: Image.Image, target: Target) -> Image.Image:
    if layer.size == (target.frame_width, target.frame_height):
        right, lower = target.left + target.width, target.top + target.height
        return layer if target.whole else layer.crop((target.left, target.top, right, lower))
    return _resampled(layer, (target.width, target.height), target.box_on(*layer.size))


def _resampled(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    """The part of a picture in the box, at this size; the picture itself where nothing is to be done."""
    if size == image.size and box == (0, 0, *size):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_REDUCING_GAP)


def _made(spec: Spec, image: Image.Image, source_format: str) -> Made:
    format = _format(spec, source_format)
    shown = pixels.blurred(image, spec.blur)
    return Made(
        slug=spec.slug,
        body=encoding.encode(shown, format=format, quality=spec.quality, background=spec.background),
        width=image.width,
        height=image.height,
        format=format,
        content_type=content_type(format),
    )
