"""Reading pictures under the limits of the settings. What the machine lacks at that moment is an error of ours, so that
whoever meets it goes on with other pictures and tries this one again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from media_catalog.exceptions import OutOfMemory, OutOfTime
from media_catalog.imaging import renditions
from media_catalog.imaging.apart import TooMuchWork
from media_catalog.imaging.probe import Probe
from media_catalog.imaging.probe import probe as probe_file
from media_catalog.imaging.values import Made, Spec

from .limits import image_limits


def probe(file: BinaryIO) -> Probe:
    """As `imaging.probe`. Raises ImageRefused, OutOfMemory and OutOfTime."""
    with _shortage_told():
        return probe_file(file, limits=image_limits())


def make(source: bytes | BinaryIO, specs: Sequence[Spec]) -> list[Made]:
    """As `imaging.renditions.make`. Raises ImageRefused, OutOfMemory and OutOfTime."""
    with _shortage_told():
        return renditions.make(source, specs, limits=image_limits())


@contextmanager
def _shortage_told() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory from error
    except TooMuchWork as error:
        raise OutOfTime from error
