"""Pictures that are read by a child process with limits: decoders that have a record of crashing, and the largest.

Which formats `formats` says: TIFF, because libtiff has had dozens of memory errors and Pillow reads whatever
amount of tags a file claims; AVIF, because libavif and its AV1 decoders are young and had theirs.
The child costs a tenth of a second, so JPEG, PNG, GIF and WebP, nearly all pictures, do without: their
libraries are fuzzed for many years, and what they ask of CPU and memory we bound by their structure first.
Only those that need more memory than a process has for pictures (`memory`) are read here as well.

A plain subprocess: the workers of django-q2 are daemons, which may have no children of multiprocessing. It
inherits no secrets: its environment is empty. A crash, or more CPU time than such a picture needs, ends it and refuses
the file; too little memory, SIGKILL and a hang may be the machine's trouble, and are a MemoryError, as in this process.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.values import Limits, Made, Probe, Spec

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from media_catalog.imaging.child import main; main()"
# Address space of Python, Pillow, its libraries and their threads: more than they use. The picture comes on top.
_MEMORY = 384 * 1024**2
# CPU time. Slow machines take a third of it.
_SECONDS = 4
_SECONDS_PER_MEGAPIXEL = 0.5
# By the clock, unless the caller says: a load balancer waits 60 for a page, and an item of a job is lost after 120.
_AT_MOST = 40
_end: ContextVar[float | None] = ContextVar("end", default=None)  # of the time that a child may take


class TooMuchWork(Exception):
    """The child was ended because the time of its caller was over."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Inside, a child runs until so many seconds from now at most: it is ended then, and TooMuchWork raised."""
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def probe(body: bytes, *, limits: Limits, pixels: int, memory: int) -> Probe:
    """What `probe.look` says of the file, found out by a child.

    `pixels` are those that its header claims, `memory` the bytes that reading them takes at worst.
    """
    answer, _bodies = _asked({"limits": asdict(limits)}, body, pixels, memory)
    return Probe(**answer["probe"])


def make(body: bytes, specs: Sequence[Spec], *, limits: Limits, pixels: int, memory: int) -> list[Made]:
    """What `renditions.make_here` makes of the file, made by a child. `pixels` and `memory` are of all."""
    order = {"limits": asdict(limits), "specs": [asdict(spec) for spec in specs]}
    answer, bodies = _asked(order, body, pixels, memory)
    made, place = [], 0
    for values, length in answer["made"]:
        made.append(Made(**values, body=bodies[place : place + length]))
        place += length
    return made


def _asked(order: dict[str, Any], body: bytes, pixels: int, memory: int) -> tuple[dict[str, Any], bytes]:
    """The child's answer, and the files that it made, one behind the other."""
    seconds = math.ceil(_SECONDS + _SECONDS_PER_MEGAPIXEL * pixels / 1e6)
    order |= {"seconds": seconds, "memory": _MEMORY + memory}
    head, _, bodies = _run(json.dumps(order).encode() + b"\n" + body).partition(b"\n")
    answer: dict[str, Any] = json.loads(head)
    if "memory" in answer:
        raise MemoryError
    if "refused" in answer:
        facts = {name: tuple(value) if isinstance(value, list) else value for name, value in answer["facts"].items()}
        raise ImageRefused(answer["refused"], **facts)
    return answer, bodies


def _run(order: bytes) -> bytes:
    end = _end.get()
    try:
        # Isolated: nothing but the import path that this process has. No word of it comes from outside.
        child = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", _START, json.dumps(sys.path)],
            input=order,
            capture_output=True,
            timeout=_AT_MOST if end is None else max(end - time.monotonic(), 0),
            env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise (MemoryError if end is None else TooMuchWork) from late
    if child.returncode == -signal.SIGKILL:
        raise MemoryError
    if child.returncode < 0:
        # A signal: the decoder crashed, or took more CPU time than any such picture needs.
        raise ImageRefused("damaged")
    if child.returncode:
        raise RuntimeError(f"the child that decodes ended with {child.returncode}: {child.stderr[-2000:]!r}")
    return child.stdout
