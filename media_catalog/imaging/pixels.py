"""Modes and colours of decoded pictures."""

import io

from PIL import Image, ImageCms, ImageFilter, ImageMath

_SRGB = ImageCms.createProfile("sRGB")
# What becomes of modes whose samples cannot be averaged, or that no other part of us knows.
_AVERAGED = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}
_GREY_16 = ("I;16", "I;16B")
# Not among them: 32-bit samples, whose range is anybody's guess, and Lab; both are for laboratories.
MODES = frozenset({*_AVERAGED, *_GREY_16, "L", "LA", "RGB", "RGBA", "CMYK"})
_ALPHA = {"LA": "La", "RGBA": "RGBa"}
_PROFILE_NAME_LENGTH = 100


def resizable(image: Image.Image) -> Image.Image:
    """A picture in one of MODES with samples that can be averaged: L, LA, RGB, RGBA or CMYK, 8 bits each."""
    if image.mode in _GREY_16:
        return _eight_bit_grey(image)
    if "transparency" in image.info:
        return image.convert("RGBA")
    mode = _AVERAGED.get(image.mode)
    return image if mode is None else image.convert(mode)


def profile_name(icc: bytes | None) -> str:
    """What a colour profile calls itself, printable and short; "" without one, or when it is broken."""
    if not icc:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    except (ImageCms.PyCMSError, OSError):
        return ""
    return "".join(filter(str.isprintable, name)).strip()[:_PROFILE_NAME_LENGTH]


def presentable(image: Image.Image, icc: bytes | None) -> Image.Image:
    """A resizable picture in sRGB, as L, LA, RGB or RGBA, and nothing but pixels.

    A profile that is broken, or belongs to other colours than the picture's, is dropped.
    """
    alpha = image.getchannel("A") if image.mode in _ALPHA else None
    mode = "L" if image.mode in ("L", "LA") else "RGB"
    colours = image if alpha is None else image.convert(mode)
    shown = _to_srgb(colours, icc) if icc else colours
    if shown.mode != mode:
        shown = shown.convert(mode)
    if alpha is not None:
        shown.putalpha(alpha)
    # Pillow copies `info` (comment, profile, transparency) to every descendant, and some of it to files.
    shown.info.clear()
    return shown


def flattened(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """The picture without alpha: L or RGB; the background shows where it is transparent."""
    if image.mode not in _ALPHA:
        return image
    ground = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """The picture blurred; what is transparent lends it no colour. Itself for a radius of 0."""
    if not radius:
        return image
    blur = ImageFilter.GaussianBlur(radius)
    # Premultiplied, or the hidden colour of clear pixels would bleed into their neighbours.
    mixing = _ALPHA.get(image.mode)
    return image.convert(mixing).filter(blur).convert(image.mode) if mixing else image.filter(blur)


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    """L or LA of a 16-bit grey PNG. Pillow's own conversion cuts off at 255 and loses tRNS."""
    # 257 = 65,535 / 255
    grey = image.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    clear = image.info.get("transparency")
    if clear is None:
        return grey
    opaque = ImageMath.lambda_eval(
        lambda args: args["convert"]((args["grey"] != clear) * 255, "L"), grey=image.convert("I")
    )
    return Image.merge("LA", (grey, opaque))


def _to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        return image
