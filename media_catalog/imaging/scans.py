"""JPEGs that ask their decoder for far more work than their pixels are worth."""

import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from PIL import JpegImagePlugin

# Encoders write some ten scans. Each costs a pass over all pixels, of a dozen bytes of file: 20 MB of them would
# keep a decoder busy for hours.
_SCANS = 64
# 240 whole segments, as of long XMP, fill 15 MiB; a colour profile has up to 255, and a scan some tables.
_SEGMENTS = 2_048
# EXIF is one segment by its standard, and few programs write more of it. Pillow copies all that it has for each.
_EXIF_SEGMENTS = 16
# Frame and tables in front of the first scan take 3 KB; Pillow makes objects of each entry, 30 times as large. Between
# segments there is nothing; Pillow goes through it byte by byte.
_ODD_BYTES = 65_536
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


class _Segment(NamedTuple):
    """What follows a marker. `begins` are its first bytes, none where it has no length; `loose` lie in front of it.

    `is_all`: a scan of all that a sequential picture has, which ends it.
    """

    code: int
    begins: bytes
    loose: int
    is_all: bool

    @property
    def length(self) -> int:
        return int.from_bytes(self.begins[:2], "big")


def jpeg_is_sound(source: BinaryIO) -> bool:
    """Whether the picture has no more scans, segments, EXIF and tables than any encoder writes."""
    scans, exif, odds = 0, 0, 0
    for number, segment in enumerate(_segments(source)):
        if not scans:
            odds += segment.loose + (0 if segment.code in _APPLICATION else segment.length)
        scans += segment.code == _SCAN
        exif += (segment.code, segment.begins[2:]) == _EXIF
        if scans > _SCANS or exif > _EXIF_SEGMENTS or odds > _ODD_BYTES or number > _SEGMENTS:
            return False
        if segment.is_all:
            return True
    return True


def jpeg_is_streamed(source: BinaryIO) -> bool:
    """Whether its decoder needs no more than some rows at a time: the first scan is the whole picture."""
    segments = itertools.islice(_segments(source), _SEGMENTS)
    return next((segment.is_all for segment in segments if segment.code == _SCAN), False)


def _segments(source: BinaryIO) -> Iterator[_Segment]:
    """Each up to the end of the picture, in the walk of Pillow up to the first scan, and then in that of libjpeg."""
    window = _Window(source)
    place, components, begun = 2, b"", False
    while True:
        behind = place
        code, place, begins = window.marker(place)
        if code is None or (code == _END and begun):
            return
        if code in _SEQUENTIAL:
            components = begins[7:]
        begun = begun or code == _SCAN
        is_all = code == _SCAN and begins[2:3] == components
        segment = _Segment(code, b"" if code in _BARE else begins, place - 2 - behind, is_all)
        yield segment
        place += segment.length


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
