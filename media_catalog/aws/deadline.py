"""An overall deadline for one AWS call, retries and bodies included.

botocore's read timeout is per read: an answer that dribbles in never trips it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO

from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from media_catalog.exceptions import AwsUnavailable

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
CHUNK_BYTES = 1024 * 1024


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound what runs inside; an earlier deadline that is set outside stays."""
    until = time.monotonic() + seconds
    outer = _deadline.get()
    token = _deadline.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def check() -> None:
    """Raise AwsUnavailable when the time of the call is over."""
    until = _deadline.get()
    if until is not None and time.monotonic() > until:
        raise AwsUnavailable("deadline exceeded")


class TimedReader:
    """A seekable binary file whose reads keep the deadline: the body of a request."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        check()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def read_all(body: StreamingBody) -> bytes:
    """The whole body of an answer, within the deadline. Raises AwsUnavailable when it is late or breaks off."""
    return b"".join(pieces(body))


def pieces(body: StreamingBody) -> Iterator[bytes]:
    """The same piece by piece."""
    try:
        with body as raw:
            # read1 returns what has arrived; read would wait for a full piece, however slowly it dribbles in.
            while piece := raw.read1(CHUNK_BYTES):  # type: ignore[attr-defined]  # `raw` is urllib3's response
                check()
                yield piece
    except HTTPError as error:
        raise AwsUnavailable(str(error)) from error
