"""The README's steps for production, with the web server of production behind a load balancer that ends TLS."""

import contextlib
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from tests.stack import ROOT, wait_for

pytestmark = [pytest.mark.live, pytest.mark.database, pytest.mark.xdist_group("live")]
# Those for each new version; the others are for once, or are the processes.
EACH_VERSION = ("migrate", "collectstatic", "sync_schedules")
HOST = "backoffice.internal"


@pytest.fixture
def database_url(tmp_path) -> Iterator[str]:
    """An empty database of the kind that the tests run on."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'db.sqlite3'}"
        return
    server, name = os.environ["DATABASE_URL"], f"production_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def environment(tmp_path, database_url) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "backoffice.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": HOST,
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "STATIC_ROOT": str(tmp_path / "static"),
    }


@contextlib.contextmanager
def _gunicorn(environment: dict[str, str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "backoffice.wsgi", "--bind", address]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(address) or process.poll() is not None, 30)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def _listens(address: str) -> bool:
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def _get(url: str) -> tuple[int, str]:
    """Status and body, asked for as the load balancer does."""
    request = urllib.request.Request(url, headers={"Host": HOST, "X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def _readme_steps() -> list[str]:
    lines = re.findall(r"^\.venv/bin/python manage\.py ([^#\n]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    return [line for line in lines if line.split()[0] in EACH_VERSION]


def test_the_steps_of_the_readme_lead_to_a_login_page_with_its_static_files(environment):
    for step in _readme_steps():
        subprocess.run([sys.executable, "manage.py", *shlex.split(step)], cwd=ROOT, env=environment, check=True)

    with _gunicorn(environment) as url:
        status, page = _get(f"{url}/admin/login/")
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        answers = {file: _get(url + file) for file in files}

    assert status == 200
    assert "Log in" in page
    assert len(answers) >= 5
    assert {status for status, _body in answers.values()} == {200}
    assert all(body for _status, body in answers.values())
