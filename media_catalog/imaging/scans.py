"""JPEGs that ask their decoder for far more work than their pixels are worth."""

import re
from typing import BinaryIO

from PIL import JpegImagePlugin

# Encoders write some ten scans. Each costs a pass over all pixels, of a dozen bytes of file: 20 MB of them would
# keep a decoder busy for hours.
_SCANS = 64
# 240 whole segments, as of long XMP, fill 15 MiB; a colour profile has up to 255, and a scan some tables.
_SEGMENTS = 2_048
# EXIF is one segment by its standard, and few programs write more of it. Pillow copies all that it has for each.
_EXIF_SEGMENTS = 16
# Frame and tables in front of the first scan take 3 KB. Pillow makes objects of each entry, 30 times as large.
_TABLE_BYTES = 65_536
_SEQUENTIAL = (0xC0, 0xC1)
_END, _SCAN, _EXIF = 0xD9, 0xDA, (0xE1, b"Exif\0\0")
_APPLICATION = frozenset((*range(0xE0, 0xF0), 0xFE))
# Pillow, which walks to the first scan before libjpeg does, reads on right behind these.
_BARE = frozenset(code & 0xFF for code, (_name, _about, read) in JpegImagePlugin.MARKER.items() if read is None)
# What follows a segment or the coded pixels: neither a stuffed byte, a restart nor filling.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")


# A window of the file at a time: whoever asks may have it on disk, so as not to hold it.
_WINDOW = 64 * 1024
_SEGMENT = 8  # bytes of a segment that are looked at


def jpeg_is_sound(source: BinaryIO) -> bool:
    """Whether the picture has no more scans, segments, EXIF and tables than any encoder writes."""
    scans, exif, tables, place, components = 0, 0, 0, 2, b""
    window = _Window(source)
    for _ in range(_SEGMENTS):
        code, place, segment = window.marker(place)
        if code is None or (code == _END and scans):
            return True
        if code in _BARE:
            continue
        length = int.from_bytes(segment[:2], "big")
        place += length
        if code in _SEQUENTIAL:
            components = segment[7:]
        if code == _SCAN:
            scans += 1
            # All components in one scan end a sequential picture: what nearly all files are.
            if segment[2:3] == components:
                return True
        exif += (code, segment[2:]) == _EXIF
        tables += 0 if scans or code in _APPLICATION else length
        if scans > _SCANS or exif > _EXIF_SEGMENTS or tables > _TABLE_BYTES:
            return False
    return False


class _Window:
    """Finds markers in a file, from any place on to later ones."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._start = 0
        self._bytes = b""

    def marker(self, place: int) -> tuple[int | None, int, bytes]:
        """The code of the next marker, the place after it, and the bytes there; None for the code at the end."""
        while True:
            found = _MARKER.search(self._bytes, place - self._start) if place >= self._start else None
            if found and found.end() + _SEGMENT <= len(self._bytes):
                break
            # From the last byte that is not looked at, which may be the first of a marker.
            place = self._start + found.start() if found else max(place, self._start + len(self._bytes) - 1)
            if not self._load(place):
                break
        if found is None:
            return None, place, b""
        return found[1][0], self._start + found.end(), self._bytes[found.end() : found.end() + _SEGMENT]

    def _load(self, place: int) -> bool:
        """Move on; False when there is nothing more to see."""
        self._source.seek(place)
        read = self._source.read(_WINDOW)
        if place + len(read) <= self._start + len(self._bytes):
            return False
        self._start, self._bytes = place, read
        return True
