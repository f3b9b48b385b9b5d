"""Modes and colours of decoded pictures."""

import io

from PIL import Image, ImageCms, ImageFilter, ImageMath

_SRGB = ImageCms.createProfile("sRGB")
_ALPHA = {"LA": "La", "RGBA": "RGBa"}


def resizable(image: Image.Image) -> Image.Image:
    """The picture with samples that can be averaged: L, LA, RGB, RGBA or CMYK, 8 bits each."""
    if image.mode.startswith("I"):
        return _eight_bit_grey(image)
    if "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("P", "1"):
        return image.convert("RGB" if image.mode == "P" else "L")
    return image


def presentable(image: Image.Image, icc: bytes | None) -> Image.Image:
    """A resizable picture in sRGB, as L, LA, RGB or RGBA, and nothing but pixels.

    A profile that is broken, or belongs to other colours than the picture's, is dropped.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    mode = "L" if image.mode in ("L", "LA") else "RGB"
    colours = image if alpha is None else image.convert(mode)
    shown = (_to_srgb(colours, icc) if icc else colours).convert(mode)
    if alpha is not None:
        shown.putalpha(alpha)
    # Pillow copies `info` (comment, profile, transparency) to every descendant, and some of it to files.
    shown.info.clear()
    return shown


def on_white(image: Image.Image) -> Image.Image:
    """The picture without alpha: L or RGB; what is transparent becomes white."""
    if image.mode not in ("LA", "RGBA"):
        return image
    ground = Image.new("RGBA", image.size, "white")
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
