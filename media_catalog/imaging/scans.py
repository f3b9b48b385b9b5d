"""Files that ask a decoder for far more work than their pixels are worth."""

import re
from typing import BinaryIO

# Encoders write some ten scans. Each costs a pass over all pixels, of a dozen bytes of file: 20 MB of them would
# keep a decoder busy for hours.
_MOST = 64
# A JPEG has some dozens of segments, and two for each scan.
_STEPS = 65_536
_SEQUENTIAL = (0xC0, 0xC1)
_END, _SCAN = 0xD9, 0xDA
# What follows a segment or the coded pixels: neither a stuffed byte, a restart nor filling.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")


def jpeg_is_sound(source: BinaryIO) -> bool:
    """Whether the picture has no more scans than any encoder writes."""
    source.seek(0)
    body = source.read()
    scans, place, components = 0, 2, b""
    for _ in range(_STEPS):
        marker = _MARKER.search(body, place)
        if marker is None or marker[1][0] == _END or scans > _MOST:
            return scans <= _MOST
        segment = body[marker.end() : marker.end() + 8]
        place = marker.end() + int.from_bytes(segment[:2], "big")
        if marker[1][0] in _SEQUENTIAL:
            components = segment[7:]
        if marker[1][0] == _SCAN:
            scans += 1
            # All components in one scan end a sequential picture: what nearly all files are.
            if segment[2:3] == components:
                return True
    return False
