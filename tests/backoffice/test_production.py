"""The README's steps for production, with the web server of production behind a load balancer that ends TLS."""

import os
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from tests.backoffice.webserver import get, production, serving
from tests.stack import ROOT

pytestmark = [pytest.mark.live, pytest.mark.database, pytest.mark.xdist_group("live")]
# Those for each new version; the others are for once, or are the processes.
EACH_VERSION = ("collectstatic", "release")


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
    return production(tmp_path, database_url)


def _readme_steps() -> list[str]:
    lines = re.findall(r"^\.venv/bin/python manage\.py ([^#\n]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    return [line for line in lines if line.split()[0] in EACH_VERSION]


def test_the_steps_of_the_readme_lead_to_a_login_page_with_its_static_files(environment, tmp_path):
    for step in _readme_steps():
        subprocess.run([sys.executable, "manage.py", *shlex.split(step)], cwd=ROOT, env=environment, check=True)

    with serving(environment, tmp_path / "log") as (url, _process):
        ready = get(f"{url}/readyz")
        status, page = get(f"{url}/admin/login/")
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        answers = {file: get(url + file) for file in files}

    assert ready == (200, '{"database": "ok", "migrations": "ok", "cache": "ok"}')
    assert status == 200
    assert "Log in" in page
    assert len(answers) >= 5
    assert {status for status, _body in answers.values()} == {200}
    assert all(body for _status, body in answers.values())
