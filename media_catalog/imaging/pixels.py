"""Colours of pictures that were decoded and averaged.

Profiles are read in this process: lcms2 is fuzzed like the decoders that run here, and nearly every phone writes one.
Nothing else is converted: not gAMA, cHRM and cICP of PNG, of which Pillow makes no profile.
"""

import io

from PIL import Image, ImageCms, ImageFilter

_SRGB = ImageCms.createProfile("sRGB")
_ALPHA = {"LA": "La", "RGBA": "RGBa"}
_STRAIGHT = {mixed: mode for mode, mixed in _ALPHA.items()}
_PROFILE_NAME_LENGTH = 100
# The table of what is in a profile: where it starts, the bytes of an entry, and how many lcms2 reads.
_TABLE, _ENTRY, _ENTRIES = 132, 12, 100


def profile_name(icc: bytes | None) -> str:
    """What a colour profile calls itself, printable and short; "" without one, or when it is broken."""
    if not icc:
        return ""
    try:
        name = ImageCms.getProfileDescription(_profile(icc))
    except (ImageCms.PyCMSError, OSError):
        return ""
    return "".join(filter(str.isprintable, name)).strip()[:_PROFILE_NAME_LENGTH]


def presentable(image: Image.Image, icc: bytes | None) -> Image.Image:
    """A picture as `averaging` leaves it in sRGB, as L, LA, RGB or RGBA, and nothing but pixels.

    A profile that is broken, or belongs to other colours than the picture's, is dropped.
    """
    if image.mode in _STRAIGHT:
        image = image.convert(_STRAIGHT[image.mode])
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


def _to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    try:
        return ImageCms.profileToProfile(image, _profile(icc), _SRGB, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        return image


def _profile(icc: bytes) -> ImageCms.ImageCmsProfile:
    """Without its chains of steps in floating point (D2B0…3): 300 KB of them take lcms2 a minute.

    Browsers pass over them, too, and show a picture by the tables that every profile has besides.
    """
    usable = bytearray(icc)
    for place in range(_TABLE, min(len(icc), _TABLE + _ENTRY * _ENTRIES), _ENTRY):
        if usable[place : place + 3] == b"D2B":
            usable[place : place + 3] = b"d2b"
    return ImageCms.ImageCmsProfile(io.BytesIO(usable))
