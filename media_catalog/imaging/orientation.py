"""EXIF orientation: how a stored picture must be turned to stand upright.

We honour what browsers honour, so that a rendition looks as its original does in a page: the EXIF of
JPEG and PNG (eXIf chunk before the pixels), and the boxes of AVIF, which Pillow tells as EXIF. That of WebP
too, though Chromium (156) passes over it: whoever wrote it meant it. Orientation in XMP or in ImageMagick's
text chunks is ignored, as browsers ignore it.
"""

import struct
from collections.abc import Mapping

from PIL import Image

_TAG = 0x0112
_SHORT = 3
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(exif: bytes) -> int:
    """The orientation, 1…8, in an EXIF block; 1 when absent or invalid. Never raises.

    Our own reader: Pillow's parses every tag, warns and raises on damage that has no bearing on pixels.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        return _first_directory(tiff, order)
    except struct.error:
        return 1


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places when the picture is turned upright."""
    return orientation >= 5


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned upright; itself when it stands already."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _first_directory(tiff: bytes, order: str) -> int:
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for number in range(entries):
        tag, kind, _count, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * number)
        if tag == _TAG:
            return value if kind == _SHORT and 1 <= value <= 8 else 1
    return 1
