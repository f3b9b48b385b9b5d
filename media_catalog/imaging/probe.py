"""What a file is, found out safely."""

from typing import BinaryIO

from media_catalog.imaging import apart, memory, opening, pixels
from media_catalog.imaging.formats import content_type, extension
from media_catalog.imaging.values import Limits, Probe

__all__ = ["Limits", "Probe", "content_type", "extension", "look", "probe"]


def probe(source: BinaryIO, *, limits: Limits) -> Probe:
    """Look at a seekable file and decode it to its end, JPEG at an eighth of its size.

    Raises ImageRefused, and MemoryError when there is too little at the moment. Leaves `source` open and at
    position 0 in every case.
    """
    try:
        claim = opening.announced(source, limits=limits)
        need = claim.memory(source)
        with memory.taking(need):
            if not claim.is_apart(need):
                return look(source, limits=limits)
            source.seek(0)
            return apart.probe(source.read(), limits=limits, pixels=claim.width * claim.height, memory=need)
    finally:
        source.seek(0)


def look(source: BinaryIO, *, limits: Limits) -> Probe:
    """As `probe`, of any format in this process; the position of `source` is anywhere afterwards."""
    with opening.opened(source, limits=limits) as picture:
        # Before the decoder runs: it may change the mode.
        with opening.decoding():
            mode, alpha = picture.image.mode, picture.image.has_transparency_data or picture.place is not None
        opening.decode(picture, at_least=(1, 1))
        return Probe(
            format=picture.format,
            content_type=content_type(picture.format),
            width=picture.width,
            height=picture.height,
            orientation=picture.orientation,
            frames=picture.frames,
            mode=mode,
            alpha=alpha,
            profile=pixels.profile_name(picture.image.info.get("icc_profile")),
        )
