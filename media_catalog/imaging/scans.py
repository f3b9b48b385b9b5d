"""Files that ask a decoder for far more work than their pixels are worth."""

import re
from typing import BinaryIO

# Encoders write 10 scans, optimisers up to some 60. Each costs a pass over all pixels, of a dozen bytes of file:
# 20 MB of them would keep a decoder busy for hours.
_MOST = 100
_SCAN, _END = 0xDA, 0xD9
# What follows a segment or the coded pixels: neither a stuffed byte, a restart nor filling.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")


def jpeg_is_sound(source: BinaryIO) -> bool:
    """Whether the picture has no more scans than any encoder writes."""
    source.seek(0)
    body = source.read()
    # Nearly always the answer, at the speed of the memory.
    return body.count(bytes((0xFF, _SCAN))) <= _MOST or _scans(body) <= _MOST


def _scans(body: bytes) -> int:
    """The scans of the first picture: previews, a second picture and what follows have some of their own."""
    scans, place = 0, 2
    while scans <= _MOST and (marker := _MARKER.search(body, place)):
        kind = marker[1][0]
        if kind == _END:
            break
        scans += kind == _SCAN
        place = marker.end() + int.from_bytes(body[marker.end() : marker.end() + 2], "big")
    return scans
