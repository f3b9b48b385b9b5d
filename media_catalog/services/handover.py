"""An original's bytes, from the process that has read them to the job that needs them next: it then sends no GET.

They go through a cache that web and worker processes share, in pieces, so that neither the web process nor the cache's
client holds a whole file. The cache only saves a request: what it has lost, or refuses, the job reads from S3.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import BinaryIO

from django.conf import settings
from django.core.cache import BaseCache, caches

from media_catalog.models import Image, RequestClass
from media_catalog.quota import usage

logger = logging.getLogger(__name__)
PIECE_BYTES = 256 * 1024


def offer(*, bucket: int, key: str, etag: str, file: BinaryIO) -> bool:
    """Leave the bytes of an object for a job that is about to start; whether there was room. No request.

    They stay for HANDOVER_SECONDS. What lies there at a time has at most twice HANDOVER_MAX_BYTES.
    """
    size = file.seek(0, 2)
    file.seek(0)
    with _forgiving():
        if not _has_room(size):
            return False
        place = _place(bucket, key, etag)
        for number, piece in enumerate(_pieces(file)):
            _cache().set(f"{place}:{number}", piece, settings.HANDOVER_SECONDS)
        return True
    return False


def take(image: Image) -> bytes | None:
    """The original's bytes, if they were left here and are the ones that the catalogue knows. No request."""
    with _forgiving():
        body = b"".join(_found(image))
        if len(body) == image.size and sha256(body).hexdigest() == image.sha256:
            usage.saved(RequestClass.S3_TIER2, "handed over")
            return body
    return None


def forget(image: Image) -> None:
    """Give the room back, once the bytes are of no more use."""
    cache, place = _cache(), _place(image.bucket_id, image.key, image.etag)
    with _forgiving():
        if cache.delete(f"{place}:0"):
            cache.delete_many([f"{place}:{number}" for number in range(1, -(-image.size // PIECE_BYTES))])
            cache.decr(_room(), image.size)


def _found(image: Image) -> Iterator[bytes]:
    """The pieces, up to the first that is missing."""
    place = _place(image.bucket_id, image.key, image.etag)
    for number in range(-(-image.size // PIECE_BYTES)):
        piece = _cache().get(f"{place}:{number}")
        if not isinstance(piece, bytes):
            return
        yield piece


def _has_room(size: int) -> bool:
    """Count the bytes; a few too many at once may pass, for the sake of simplicity."""
    cache, place = _cache(), _room()
    cache.add(place, 0, 2 * settings.HANDOVER_SECONDS)
    if cache.incr(place, size) <= settings.HANDOVER_MAX_BYTES:
        return True
    cache.decr(place, size)
    return False


def _room() -> str:
    """The count of these HANDOVER_SECONDS by the clock: what was left before them runs out in them."""
    return f"handover:room:{int(time.time() // settings.HANDOVER_SECONDS)}"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _place(bucket: int, key: str, etag: str) -> str:
    digest = sha256(f"{bucket}/{etag}/{key}".encode()).hexdigest()
    return f"handover:{digest}"


def _cache() -> BaseCache:
    return caches["handover"]


@contextmanager
def _forgiving() -> Iterator[None]:
    try:
        yield
    except Exception:  # each backend has errors of its own
        logger.warning("nothing could be handed over", exc_info=True)
