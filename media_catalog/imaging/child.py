"""The child process of `apart`: one picture, then it ends.

In: one line of JSON (limits; specs, or none to probe; seconds and memory it may take), then the file.
Out: one line of JSON ("probe", "made", "refused" or "memory"), then the renditions one behind the other.
"""

import contextlib
import io
import json
import resource
import sys
from dataclasses import asdict
from typing import Any

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import look
from media_catalog.imaging.renditions import make_here
from media_catalog.imaging.values import Limits, Made, Spec


def main() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    _restrict(seconds=order["seconds"], memory=order["memory"])
    sys.stdout.buffer.write(answer(order, sys.stdin.buffer.read()))


def answer(order: dict[str, Any], body: bytes) -> bytes:
    """What is written out for an order and a file."""
    try:
        told, bodies = _work(order, body)
    except ImageRefused as refused:
        told, bodies = {"refused": refused.reason, "facts": refused.facts}, []
    except MemoryError:
        # The file's or the machine's fault: nobody can tell from here.
        told, bodies = {"memory": True}, []
    return b"".join((json.dumps(told).encode(), b"\n", *bodies))


def _work(order: dict[str, Any], body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    limits = Limits(**order["limits"] | {"formats": tuple(order["limits"]["formats"])})
    if "specs" not in order:
        return {"probe": asdict(look(io.BytesIO(body), limits=limits))}, []
    specs = [Spec(**values | {"background": tuple(values["background"])}) for values in order["specs"]]
    made = make_here(body, specs, limits=limits)
    return {"made": [(_described(each), len(each.body)) for each in made]}, [each.body for each in made]


def _described(made: Made) -> dict[str, Any]:
    values = asdict(made)
    del values["body"]
    return values


def _restrict(*, seconds: int, memory: int) -> None:
    # Where memory runs out, the kernel shall end this process, and not the one that serves others.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    # The soft limit ends with SIGXCPU, which tells it from the SIGKILL of a machine without memory.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # No files, no dump of the memory: a picture needs neither.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
