"""Objects whose bytes go through this site: files, as S3 sends no `nosniff` by a link, and what no link can carry."""

import weakref
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpResponseBase, StreamingHttpResponse

from media_catalog.aws.objects import Stream
from media_catalog.exceptions import TooManyDownloads
from media_catalog.models import Bucket
from media_catalog.services import objects
from media_catalog.services.places import Places

_places = Places()


def hand_out(
    bucket: Bucket, key: str, *, disposition: str, content_type: str = objects.ANY_TYPE
) -> HttpResponseBase | None:
    """The object as it is, in pieces, whatever type S3 has for it; None when it is gone. One GET.

    Raises TooManyDownloads, before the GET, when WEB_DOWNLOADS are under way in this process.
    """
    if not _places.enter(settings.WEB_DOWNLOADS):
        raise TooManyDownloads
    stream = None
    try:
        stream = objects.stream(bucket, key)
    finally:
        if stream is None:
            _places.leave()
    if stream is None:
        return None
    return StreamingHttpResponse(
        _Pieces(stream),
        content_type=content_type,
        headers={
            "Accept-Ranges": "none",
            "Cache-Control": "private, no-store",
            "Content-Disposition": disposition,
            "Content-Length": str(stream.size),
            "X-Content-Type-Options": "nosniff",
        },
    )


class _Pieces:
    """Of a stream that has a place, until it is closed or, as of an answer that failed on its way, forgotten."""

    def __init__(self, stream: Stream) -> None:
        self._chunks = stream.chunks
        self.close = weakref.finalize(self, _end, stream)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)


def _end(stream: Stream) -> None:
    _places.leave()
    stream.close()
