"""The README's first commands. A fresh clone takes the ports 8000 and 4566, so that runs with `make soak` only."""

import os
import re
import shlex
import signal
import subprocess
import urllib.request

import pytest

from tests.stack import ROOT, is_alive, process_tree, wait_for

LOGIN = "http://127.0.0.1:8000/admin/login/"


def _start(clone) -> subprocess.Popen[bytes]:
    with (clone / "run.log").open("wb") as log:
        process = subprocess.Popen(
            ["make", "run"], cwd=clone, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
    wait_for(lambda: _answers() or process.poll() is not None, 400)
    assert process.poll() is None, (clone / "run.log").read_text()
    return process


def _environment() -> dict[str, str]:
    """As a shell has it: without what the test settings put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_"))}


def _answers() -> bool:
    try:
        with urllib.request.urlopen(LOGIN, timeout=2) as answer:
            return b"Log in" in answer.read()
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """What Ctrl-C does."""
    processes = process_tree(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    wait_for(lambda: not any(is_alive(pid) for pid in processes), 10)


def _images(clone) -> str:
    code = "from media_catalog.models import Image; print(list(Image.objects.values_list('key', 'etag')))"
    command = [".venv/bin/python", "manage.py", "shell", "-v0", "-c", code]
    return subprocess.run(command, cwd=clone, env=_environment(), capture_output=True, text=True, check=True).stdout


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_make_run_from_a_fresh_clone_and_again(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    process = _start(clone)
    try:
        printed = (clone / "run.log").read_text()
        assert re.search(r"as  admin  with the password  \S{12,}", printed)
        first = _images(clone)
        assert first.count(".jpg") >= 5
    finally:
        _stop(process)

    process = _start(clone)
    try:
        assert _images(clone) == first
        assert "with the password" not in (clone / "run.log").read_text()
    finally:
        _stop(process)


def test_the_environment_wins_over_the_env_file(tmp_path):
    recipe = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    [runner] = [line for line in recipe.splitlines() if "honcho" in line]
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / ".env").write_text("UPLOAD_MAX_FILES=7\n")
    (tmp_path / "Procfile").write_text("web: echo files=$UPLOAD_MAX_FILES\n")

    environment = _environment() | {"UPLOAD_MAX_FILES": "9"}
    command = shlex.split(runner)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    assert "files=9" in done.stdout
