"""TIFFs of samples that Pillow does not know, or knows but takes for others.

Pillow's own reading of what is not compressed takes planes of 16 bits for those of 8, forgets in a plane that 0 is
white, and knows no pixels that share their colours. So libtiff, which reads all others, reads these too.
"""

from typing import BinaryIO

from PIL import Image, TiffImagePlugin

TiffImagePlugin.READ_LIBTIFF = True

_PLANAR_CONFIGURATION, _SEPARATE = 284, 2
_EXTRA_SAMPLES, _MULTIPLIED = 338, 1
_GREY_WITH_ALPHA = ("LA", "La", "PA")
# What tag 262 says, 339, and 259.
_COLOURS = {
    0: "grey, 0 is white",
    1: "grey",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "Lab",
    9: "Lab",
    10: "Lab",
    32_803: "CFA",
    32_844: "LogL",
    32_845: "LogLuv",
    34_892: "raw",
}
_SAMPLES = {(1,): "", (2,): ", signed", (3,): ", floating point", (5,): ", complex", (6,): ", complex"}
_COMPRESSIONS = {34_661: "JBIG", 34_712: "JPEG 2000", 34_887: "LERC", 50_002: "JPEG XL", 52_546: "JPEG XL"}
_MOST_BITS = 128


def misread(image: Image.Image) -> str:
    """What an opened picture is whose pixels Pillow would get wrong: "LA, in planes"; "" for others."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(_PLANAR_CONFIGURATION) != _SEPARATE:
        return ""
    # It lays the second plane where green is, and colours stay multiplied by alpha.
    wrong = image.mode in _GREY_WITH_ALPHA or _MULTIPLIED in image.tag_v2.get(_EXTRA_SAMPLES, ())
    return f"{image.mode}, in planes" if wrong else ""


def unknown(source: BinaryIO) -> str:
    """What a TIFF is that Pillow refused to open: "grey, 16 + 16 bits"; "" where that is damage.

    Raises whatever Pillow does.
    """
    source.seek(0)
    try:
        TiffImagePlugin.TiffImageFile(source)
    except SyntaxError as refused:
        # The row that its tables do not have.
        match refused.__cause__:
            case KeyError(args=((order, colours, samples, _, bits, _),)):
                return _described(order, colours, samples, bits)
            case KeyError(args=(int(compression),)):
                return _COMPRESSIONS.get(compression, "")
        if "samples per pixel" in str(refused):
            return f"more than {TiffImagePlugin.MAX_SAMPLESPERPIXEL} samples"
    return ""


def _described(order: bytes, colours: object, samples: object, bits: tuple[int, ...]) -> str:
    if colours not in _COLOURS or samples not in _SAMPLES or not all(0 < each <= _MOST_BITS for each in bits):
        return ""
    each = " + ".join(map(str, bits))
    return f"{_COLOURS[colours]}, {each} bits{_SAMPLES[samples]}{', big-endian' if order == b'MM' else ''}"
