"""The first frame of an animated PNG that has another picture in front, for programs that know no animation.

Browsers show the frame, on a clear ground. Pillow shows the picture in front, and lays the frame upon that.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_SIGNATURE = 8
_NUMBER = 4  # bytes of fdAT in front of what IDAT would have


def first_frame(source: BinaryIO) -> BinaryIO | None:
    """The file with the pixels of the first frame in place of those in front, and nothing behind; None without a frame.

    `checksums` has found its chunks whole.
    """
    source.seek(0)
    kept = io.BytesIO()
    kept.write(source.read(_SIGNATURE))
    chunks = _chunks(source)
    for name, data in itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", chunks):
        _write(kept, name, data)
    begun = False
    for name, data in chunks:
        if name == b"fcTL" and begun:
            break
        if name == b"fcTL":
            begun = True
            _write(kept, name, data)
        elif name == b"fdAT" and begun:
            _write(kept, b"IDAT", data[_NUMBER:])
    _write(kept, b"IEND", b"")
    kept.seek(0)
    return kept if begun else None


def _chunks(source: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Up to the last one."""
    while len(head := source.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        yield name, source.read(length)
        source.seek(4, io.SEEK_CUR)


def _write(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I4s", len(data), name))
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
