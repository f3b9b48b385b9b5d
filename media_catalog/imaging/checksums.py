"""Damage that the decoder of PNG overlooks, and work that it should not be given."""

import io
import struct
import zlib
from typing import BinaryIO

# Encoders put 8 KB or more into a chunk; more chunks than this are made to keep us busy.
_CHUNKS = 65_536
# Pillow inflates each of these, to a megabyte at most. Of profiles there is one, of texts a dozen at most.
_INFLATED = frozenset((b"iCCP", b"iTXt", b"zTXt"))
_MOST_INFLATED = 64


def png_is_sound(source: BinaryIO) -> bool:
    """Whether every chunk is there, up to IEND, and matches its checksum, and there are no more than encoders write.

    Pillow stops at the last row; its `verify()` overlooks a cut in IEND and needs the file opened twice.
    """
    end = source.seek(0, io.SEEK_END)
    source.seek(8)
    inflated = 0
    for _ in range(_CHUNKS):
        head = source.read(8)
        if len(head) < 8:
            return False
        length, name = struct.unpack(">I4s", head)
        # A false length must not make us reserve gigabytes.
        if source.tell() + length + 4 > end:
            return False
        if zlib.crc32(source.read(length), zlib.crc32(name)) != int.from_bytes(source.read(4), "big"):
            return False
        if name == b"IEND":
            return True
        inflated += name in _INFLATED
        if inflated > _MOST_INFLATED:
            return False
    return False
