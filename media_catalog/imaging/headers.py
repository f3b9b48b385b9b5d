"""The size of a picture from its first bytes, as stored (not turned).

We read it ourselves because Pillow's WebP plugin allocates the whole canvas when it opens a file, and
because its bomb error does not name the size. Each function answers None when the header cannot be read, and raises
Unread where the header names pixels that no decoder of ours knows.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

# A JPEG header has some dozens of segments (an ICC profile takes up to 255); more steps than this are
# junk made to keep us busy.
_JPEG_STEPS = 65_536
# SOF0…SOF15 without DHT, JPG and DAC, which share their range.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Those that Pillow and libjpeg do not read, or only whole. The others have 8 bits, or 12.
_JPEG_UNREAD = {
    **dict.fromkeys((0xC3, 0xCB), "lossless"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
}
# TEM, the restarts and stuffed or fill bytes carry no length.
_JPEG_BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})
_WEBP_ANIMATED, _WEBP_STEPS = 2, 64
_TIFF_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_SHORT = 3
# The boxes that lead to the sizes, and how many bytes each has before those in it.
_AVIF_WAY = ((b"meta", 4), (b"iprp", 0), (b"ipco", 0))
# The description of an AVIF of many tiles takes some kilobytes.
_AVIF_META_BYTES = 1_048_576
_AVIF_STEPS = 64


class Unread(Exception):
    """A file that is whole, but of a kind that no decoder of ours reads: "12-bit"."""


def png_size(source: BinaryIO) -> tuple[int, int] | None:
    """From IHDR, which must come first."""
    head = _head(source, 24)
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def webp_size(source: BinaryIO) -> tuple[int, int] | None:
    """From the first chunk: the canvas (VP8X), or the only frame (VP8 lossy, VP8L lossless)."""
    head = _head(source, 30)
    kind = head[12:16]
    if kind == b"VP8X" and len(head) == 30:
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a" and len(head) == 30:
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20:21] == b"\x2f" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def webp_place(source: BinaryIO) -> tuple[int, int, int, int] | None:
    """The left, upper, right and lower edge of an animation's first frame; None where there is no animation."""
    head = _head(source, 30)
    if head[12:16] != b"VP8X" or not head[20] & _WEBP_ANIMATED:
        return None
    source.seek(12)
    for _ in range(_WEBP_STEPS):
        name, length = source.read(4), int.from_bytes(source.read(4), "little")
        if name == b"ANMF":
            values = source.read(12)
            left, upper, width, height = (int.from_bytes(values[place : place + 3], "little") for place in (0, 3, 6, 9))
            return 2 * left, 2 * upper, 2 * left + width + 1, 2 * upper + height + 1
        source.seek(length + length % 2, io.SEEK_CUR)
    return None


def jpeg_size(source: BinaryIO) -> tuple[int, int] | None:
    """From the first frame header (SOFn); junk between segments is skipped, as decoders do."""
    source.seek(2)
    for _ in range(_JPEG_STEPS):
        marker = _next_marker(source)
        if marker is None:
            return None
        if marker in _JPEG_FRAMES:
            return _frame_size(marker, source.read(7))
        if marker not in _JPEG_BARE:
            _skip_segment(source)
    return None


def tiff_size(source: BinaryIO) -> tuple[int, int] | None:
    """From the tags of the first page."""
    head = _head(source, 8)
    order = _TIFF_BYTE_ORDERS.get(head[:4])
    if order is None or len(head) < 8:
        return None
    (start,) = struct.unpack(order + "I", head[4:])
    source.seek(start)
    entries = source.read(2)
    rows = source.read(12 * struct.unpack(order + "H", entries)[0]) if len(entries) == 2 else b""
    values = {
        tag: struct.unpack(order + "H", value[:2])[0] if kind == _TIFF_SHORT else struct.unpack(order + "I", value)[0]
        for tag, kind, _count, value in struct.iter_unpack(order + "HHI4s", rows[: len(rows) // 12 * 12])
    }
    if _TIFF_WIDTH not in values or _TIFF_HEIGHT not in values:
        return None
    return values[_TIFF_WIDTH], values[_TIFF_HEIGHT]


def avif_size(source: BinaryIO) -> tuple[int, int] | None:
    """The largest size that its properties name: that of the picture, where it also has a preview or tiles."""
    found = _avif_meta(source)
    for name, lead in _AVIF_WAY:
        found = next((body[lead:] for kind, body in _boxes(found) if kind == name), b"")
    sizes = [struct.unpack(">II", body[4:12]) for kind, body in _boxes(found) if kind == b"ispe" and len(body) >= 12]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return (width, height) if width else None


def _avif_meta(source: BinaryIO) -> bytes:
    """The box that describes the picture, with its head; empty when there is none."""
    place = 0
    for _ in range(_AVIF_STEPS):
        source.seek(place)
        head = source.read(8)
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"meta":
            return head + source.read(min(length, _AVIF_META_BYTES) - 8) if length >= 8 else b""
        if length == 1:
            length = int.from_bytes(source.read(8), "big")
        if length < 8:
            break
        place += length
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and contents of each box that lies in the data."""
    place = 0
    while len(head := data[place : place + 8]) == 8:
        length = int.from_bytes(head[:4], "big")
        if length < 8:
            return
        yield head[4:], data[place + 8 : place + length]
        place += length


def _head(source: BinaryIO, length: int) -> bytes:
    source.seek(0)
    return source.read(length)


def _next_marker(source: BinaryIO) -> int | None:
    """The byte after 0xFF; 0, a bare marker, for a byte of junk or fill; None at the end."""
    byte = source.read(1)
    if byte != b"\xff":
        return 0 if byte else None
    byte = source.read(1)
    if byte == b"\xff":
        source.seek(-1, io.SEEK_CUR)
        return 0
    return byte[0] if byte else None


def _frame_size(marker: int, segment: bytes) -> tuple[int, int] | None:
    if len(segment) < 7:
        return None
    _length, precision, height, width = struct.unpack(">HBHH", segment)
    if marker in _JPEG_UNREAD:
        raise Unread(_JPEG_UNREAD[marker])
    if precision == 12:
        raise Unread("12-bit")
    return width, height


def _skip_segment(source: BinaryIO) -> None:
    # The length counts its own two bytes; a smaller one is a lie.
    length = int.from_bytes(source.read(2), "big")
    source.seek(max(0, length - 2), io.SEEK_CUR)
