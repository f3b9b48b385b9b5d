"""The child process that reads formats whose decoders have a record of crashing."""

import io
import json
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging import apart, child, memory
from media_catalog.imaging.probe import probe
from media_catalog.imaging.renditions import make, make_here
from tests.imaging.pictures import (
    ALL,
    BLUE,
    GREEN,
    RED,
    YELLOW,
    corners,
    decoded,
    encoded,
    exif,
    near,
    plain,
    spec,
    stored,
    tiff_claiming,
)

KINDS = ["AVIF", "TIFF"]
COLOURS = (RED, GREEN, BLUE, YELLOW)


def turned(format: str) -> bytes:
    return encoded(stored(6, 61, 41, COLOURS), format, exif=exif(orientation=6))


@pytest.fixture
def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program to be written, which runs in place of the child."""
    program = tmp_path / "program.py"
    monkeypatch.setattr(apart, "_START", f"exec(open({str(program)!r}).read())")
    return program


@pytest.mark.parametrize("format", KINDS)
def test_a_child_answers_what_this_process_would(format: str) -> None:
    asked = [spec(30, None), spec(20, 20, "fill", format="source", blur=1, background=(1, 2, 3))]

    renditions = make(turned(format), asked, limits=ALL)

    assert renditions == make_here(turned(format), asked, limits=ALL)
    assert all(map(near, corners(decoded(renditions[0].body)), COLOURS, [12] * 4))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_other_formats_need_no_child(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", None)

    assert probe(io.BytesIO(encoded(plain(60, 40), format)), limits=ALL).width == 60


@pytest.mark.parametrize("format", KINDS)
def test_this_process_never_decodes_them(format: str, decodes: list[tuple[int, int]]) -> None:
    assert probe(io.BytesIO(turned(format)), limits=ALL).height == 41
    assert len(make(turned(format), [spec(20, None)], limits=ALL)) == 1
    assert decodes == []


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass",
    ],
    ids=["abort", "crash", "busy"],
)
def test_a_child_that_is_killed_refuses_the_picture(instead: Path, program: str) -> None:
    instead.write_text(program)

    with pytest.raises(ImageRefused, match="damaged"):
        probe(io.BytesIO(turned("TIFF")), limits=ALL)


def test_a_child_that_the_machine_kills_is_no_fault_of_the_picture(instead: Path) -> None:
    instead.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    with pytest.raises(MemoryError):
        probe(io.BytesIO(turned("TIFF")), limits=ALL)


def test_the_limit_of_cpu_time_is_told_from_a_kill(instead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_SECONDS", 1)
    instead.write_text(
        "import json, sys\n"
        "sys.path[:] = json.loads(sys.argv[1])\n"
        "from media_catalog.imaging import child\n"
        "def busy(*_):\n    while True: pass\n"
        "child.answer = busy\n"
        "child.main()\n"
    )

    with pytest.raises(ImageRefused, match="damaged"):
        probe(io.BytesIO(turned("TIFF")), limits=ALL)


def test_a_child_that_hangs_is_ended(instead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(apart, "_AT_MOST", 0.1)

    with pytest.raises(MemoryError):
        make(turned("TIFF"), [spec(20, None)], limits=ALL)


def test_a_child_that_hangs_is_ended_when_its_caller_says(instead: Path) -> None:
    instead.write_text("import time; time.sleep(60)")

    with apart.at_most(0.1), pytest.raises(apart.TooMuchWork):
        make(turned("TIFF"), [spec(20, None)], limits=ALL)


def test_no_child_outlives_those_who_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the largest picture, too: a load balancer waits a minute."""
    allowed: list[float] = []
    run = subprocess.run

    def recording(*args: Any, timeout: float, **options: Any) -> object:
        allowed.append(timeout)
        return run(*args, timeout=timeout, **options)

    monkeypatch.setattr("subprocess.run", recording)
    limits = replace(ALL, max_pixels=50_000_000)
    with pytest.raises(ImageRefused):
        probe(io.BytesIO(tiff_claiming(10_000, 5_000)), limits=limits)
    with apart.at_most(90), pytest.raises(ImageRefused):
        probe(io.BytesIO(tiff_claiming(10_000, 5_000)), limits=limits)

    assert allowed[0] + memory._SECONDS < 60
    assert 80 < allowed[1] <= 90


def test_a_child_that_cannot_start_is_our_own_trouble(instead: Path) -> None:
    instead.write_text("import no_such_module")

    with pytest.raises(RuntimeError, match="no_such_module"):
        probe(io.BytesIO(turned("TIFF")), limits=ALL)


def test_a_child_inherits_no_secrets(instead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    instead.write_text("import os, sys; sys.exit(str(dict(os.environ)))")

    with pytest.raises(RuntimeError) as told:
        probe(io.BytesIO(turned("TIFF")), limits=ALL)

    assert "hush" not in str(told.value)
    assert "AWS" not in str(told.value)


@pytest.mark.parametrize(
    ("greed", "told"),
    [
        ("bytearray(2_000_000_000)", "MemoryError"),
        ("tempfile.gettempdir()", "No usable temporary directory"),
    ],
)
def test_a_child_gets_little_memory_and_writes_no_file(instead: Path, greed: str, told: str) -> None:
    instead.write_text(
        "import json, signal, sys, tempfile\n"
        "sys.path[:] = json.loads(sys.argv[1])\n"
        "from media_catalog.imaging import child\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"child.answer = lambda order, body: {greed}\n"
        "child.main()\n"
    )

    with pytest.raises(RuntimeError) as failed:
        probe(io.BytesIO(turned("TIFF")), limits=ALL)

    assert told in str(failed.value)


def test_the_kernel_ends_the_child_first(instead: Path) -> None:
    instead.write_text(
        "import json, sys\n"
        "sys.path[:] = json.loads(sys.argv[1])\n"
        "from media_catalog.imaging import child\n"
        "child.answer = lambda order, body: sys.exit('score ' + open('/proc/self/oom_score_adj').read())\n"
        "child.main()\n"
    )

    with pytest.raises(RuntimeError, match="score 1000"):
        probe(io.BytesIO(turned("TIFF")), limits=ALL)


def test_too_little_memory_is_not_blamed_on_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "draft", exhausted)
    order = json.loads(json.dumps({"limits": asdict(ALL)}))

    told = child.answer(order, turned("TIFF"))

    assert json.loads(told) == {"memory": True}
    monkeypatch.setattr(apart, "_run", lambda *_: told)
    with pytest.raises(MemoryError):
        probe(io.BytesIO(turned("TIFF")), limits=ALL)


def test_a_refusal_comes_through_with_its_facts() -> None:
    body = io.BytesIO()
    Image.new("F", (6, 4)).save(body, "TIFF")

    with pytest.raises(ImageRefused) as refused:
        make(body.getvalue(), [spec(20, None)], limits=ALL)

    assert refused.value.facts == {"format": "TIFF (F)", "accepted": ALL.formats}


def width(body: bytes, answers: "SimpleQueue[int]") -> None:
    answers.put(probe(io.BytesIO(body), limits=ALL).width)


def test_a_daemon_may_use_it() -> None:
    """The workers of django-q2 are daemons, which may have no children of multiprocessing."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    worker = context.Process(target=width, args=(turned("AVIF"), answers), daemon=True)

    worker.start()
    worker.join(30)

    assert not answers.empty()
    assert answers.get() == 61


def test_limits_hold_for_the_child_alone() -> None:
    before = os.times().children_user

    probe(io.BytesIO(turned("TIFF")), limits=ALL)

    assert os.times().children_user > before
    assert len(bytearray(600 * 1024**2)) == 600 * 1024**2
