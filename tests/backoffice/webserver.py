"""The web server of production, as the image starts it, asked as the load balancer asks."""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.stack import ROOT, wait_for

HOST = "backoffice.internal"
COMMAND = [sys.executable, "-m", "gunicorn", "--config", "python:backoffice.gunicorn", "backoffice.wsgi"]


def production(tmp_path: Path, database_url: str) -> dict[str, str]:
    """Its environment, with a folder for static files."""
    (tmp_path / "static").mkdir(parents=True)
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "backoffice.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": HOST,
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "STATIC_ROOT": str(tmp_path / "static"),
        "WEB_BIND": "127.0.0.1:0",
    }


@contextlib.contextmanager
def serving(environment: dict[str, str], log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address and process. What it logs is in the file."""
    with log.open("wb") as file:
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stderr=file)
    try:
        yield wait_for(lambda: _address(log) or process.poll(), 30), process
    finally:
        process.terminate()
        process.wait(30)


def get(url: str, *, host: str = HOST, proto: str = "https", cookie: str = "") -> tuple[int, str]:
    """Status and body, of where it leads."""
    request = urllib.request.Request(url, headers={"Host": host, "X-Forwarded-Proto": proto, "Cookie": cookie})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def log_lines(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _address(log: Path) -> str:
    found = re.search(r"Listening at: (http://[\d.:]+)", log.read_text())
    return found[1] if found else ""
