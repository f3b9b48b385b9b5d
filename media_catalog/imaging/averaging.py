"""Decoded pixels of every mode, made ready to be averaged.

Some rows at a time: in whole, what lies between the file's mode and the one that can be averaged would take several
times the memory of the picture.
"""

import functools
from collections.abc import Callable

from PIL import Image, ImageMath

Work = Callable[[Image.Image], Image.Image]
Place = tuple[int, int, int, int]  # left, upper, right and lower edge, in pixels

_READY = frozenset({"L", "RGB", "CMYK"})
# The modes that each goes through. Colours are mixed premultiplied by alpha (La, RGBa): else clear pixels lend theirs.
_WAYS = {
    "1": ("L",),
    "P": ("RGB",),
    "RGBX": ("RGB",),
    "PA": ("RGBA", "RGBa"),
    "LA": ("La",),
    "La": ("LA", "La"),
    "RGBA": ("RGBa",),
    "RGBa": ("RGBA", "RGBa"),
}
_WITH_ALPHA = {"L": ("LA", "La"), "RGB": ("RGBA", "RGBa")}
_CLEAR_COLOUR = ("RGBA", "RGBa")
_MIXED = ("La", "RGBa")
_GREY_16 = ("I;16", "I;16B")
# Not among them: 32-bit samples, whose range is anybody's guess, and Lab; both are for laboratories.
MODES = frozenset({*_READY, *_WAYS, *_GREY_16})
_STRIP_PIXELS = 2**18  # so few stay in a processor's cache
_TIFF_BITS, _TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def is_ready(image: Image.Image) -> bool:
    """Whether the picture can be averaged as it is."""
    return image.mode in _READY and "transparency" not in image.info


def averaged(image: Image.Image, factor: tuple[int, int], *, mixed: bool, place: Place | None = None) -> Image.Image:
    """A picture in one of MODES as L, La, RGB or RGBa, each pixel the mean of factor (across, down) pixels.

    Not `mixed` (only with factors of 1), it has LA and RGBA in place of La and RGBa, which would cost faint colours
    their precision: so where nothing is averaged. Outside of `place` all is clear.
    """
    work = _work(image, mixed)

    def ready(box: Place) -> Image.Image:
        strip = work(image.crop(box))
        return strip if place is None else _placed(strip, box, place, mixed)

    across, down = factor
    rows = max(1, _STRIP_PIXELS // (image.width * down)) * down
    whole = Image.new(ready((0, 0, 1, 1)).mode, (-(-image.width // across), -(-image.height // down)))
    for top in range(0, image.height, rows):
        strip = ready((0, top, image.width, min(top + rows, image.height)))
        whole.paste(strip if factor == (1, 1) else strip.reduce(factor), (0, top // down))
    return whole


def _placed(strip: Image.Image, box: Place, place: Place, mixed: bool) -> Image.Image:
    """The part of a picture in the box, ready, without what is outside of the place."""
    for mode in _WITH_ALPHA.get(strip.mode, ())[: 1 + mixed]:
        strip = strip.convert(mode)
    left, upper, right, lower = place
    shown = (left - box[0], max(upper, box[1]) - box[1], right - box[0], min(lower, box[3]) - box[1])
    bare = Image.new(strip.mode, strip.size)
    if shown[0] < shown[2] and shown[1] < shown[3]:
        bare.paste(strip.crop(shown), shown)
    return bare


def _work(image: Image.Image, mixed: bool) -> Work:
    if image.mode in _GREY_16:
        return _grey_work(image, mixed)
    way = _CLEAR_COLOUR if "transparency" in image.info else _WAYS.get(image.mode, ())
    if not mixed:
        way = tuple(mode for mode in way if mode not in _MIXED)
    return lambda strip: functools.reduce(Image.Image.convert, way, strip)


def _grey_work(image: Image.Image, mixed: bool) -> Work:
    """To 8 bits. Pillow's own conversion cuts off at 255, and knows nothing of tRNS and of a TIFF's tags."""
    tags = getattr(image, "tag_v2", {})
    step, first = 255 / (2 ** tags.get(_TIFF_BITS, (16,))[0] - 1), 0.5
    if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        step, first = -step, 255.5
    clear = image.info.get("transparency")

    def work(strip: Image.Image) -> Image.Image:
        samples = strip.convert("I")
        grey = samples.point(lambda value: value * step + first).convert("L")
        if clear is None:
            return grey
        opaque = ImageMath.lambda_eval(
            lambda args: args["convert"]((args["samples"] != clear) * 255, "L"), samples=samples
        )
        shown = Image.merge("LA", (grey, opaque))
        return shown.convert("La") if mixed else shown

    return work
