"""The structure of a GIF, walked without decoding it.

Pillow knows the number of frames only after a walk of its own, which has no bound.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

# A block holds up to 255 bytes, so a file of 20 MB has some 80,000; more steps are made to keep us busy.
_STEPS = 500_000
_EXTENSION, _IMAGE = b"!", b","


def size(source: BinaryIO) -> tuple[int, int] | None:
    """The screen, or the first frame where it reaches further: decoders enlarge the screen for it."""
    frame = next(_frames(source), None)
    if frame is None:
        return None
    source.seek(6)
    screen = source.read(4)
    return max(_short(screen, 0), frame[0]), max(_short(screen, 2), frame[1])


def frames(source: BinaryIO) -> int:
    """How many frames there are, damaged ones not counted; of an endless file, those that we could walk to."""
    return sum(1 for _frame in _frames(source))


def _frames(source: BinaryIO) -> Iterator[tuple[int, int]]:
    """The right and lower edge of each frame on the screen."""
    source.seek(10)
    flags = source.read(1)
    source.seek(13)
    _skip_palette(source, flags)
    steps = _STEPS
    while steps > 0:
        kind = source.read(1)
        if kind == _IMAGE:
            place = source.read(9)
            if len(place) < 9:
                return
            yield _short(place, 0) + _short(place, 4), _short(place, 2) + _short(place, 6)
            _skip_palette(source, place[8:])
        elif kind != _EXTENSION:
            return
        # The label of an extension or the code size of an image.
        source.seek(1, io.SEEK_CUR)
        steps = _skip_blocks(source, steps - 1)


def _skip_palette(source: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        source.seek(3 << (flags[0] & 7) + 1, io.SEEK_CUR)


def _skip_blocks(source: BinaryIO, steps: int) -> int:
    """To the end of a chain of blocks; how many steps are left."""
    while steps > 0 and (length := source.read(1)) not in (b"", b"\0"):
        source.seek(length[0], io.SEEK_CUR)
        steps -= 1
    return steps


def _short(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "little")
