"""The web process of production: its start without a database or a secret, its end, its log."""

import html
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.backoffice.webserver import COMMAND, HOST, get, log_lines, production, serving
from tests.listing import list_server
from tests.stack import ROOT, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
NOBODY = "postgres://backoffice:hidden-password@127.0.0.1:1/backoffice"

OPEN_UPLOAD = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from media_catalog.models import Bucket, Upload
from media_catalog.services import api_tokens
user = User.objects.create_superuser("ada")
upload = Upload.objects.create(
    bucket=Bucket.objects.create(name="uploads"), key="temp/0", name="0", user=user,
    channel=Upload.Channel.API, expires_at=timezone.now() + timedelta(hours=1),
)
print(upload.uuid, api_tokens.issue(name="t", user=user, scopes=["read"], expires_at=None, issued_by="")[1])
"""

LOG_IN = """
from django.contrib.auth.models import User
from django.test import Client
from media_catalog.models import Bucket
client = Client()
client.force_login(User.objects.create_superuser("ada"))
print(Bucket.objects.create(name="photos").pk, client.cookies["sessionid"].value)
"""


@pytest.fixture
def environment(tmp_path):
    return production(tmp_path, NOBODY)


def test_without_a_database_it_lives_and_is_not_ready(environment, tmp_path):
    with serving(environment, tmp_path / "log") as (url, process):
        assert get(f"{url}/healthz", host="10.20.1.17", proto="http") == (200, '{"process": "ok"}')
        status, body = get(f"{url}/readyz", host="10.20.1.17", proto="http")

    assert (status, body) == (503, '{"database": "failed", "migrations": "failed", "cache": "ok"}')
    assert process.returncode == 0
    lines = log_lines(tmp_path / "log")  # all of them JSON, gunicorn's too
    assert any(line["logger"] == "backoffice.health" and line["message"] == "not ready: database" for line in lines)
    assert "hidden-password" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"])
def test_stops_and_names_what_is_missing(environment, name):
    del environment[name]

    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode != 0
    assert name in done.stderr


def test_sigterm_lets_a_running_request_end(environment, tmp_path):
    """/readyz asks a database that takes the connection and never answers, so it takes `connect_timeout`."""
    answers: list[tuple[int, str]] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment["DATABASE_URL"] = f"postgres://backoffice@127.0.0.1:{silent.getsockname()[1]}/backoffice"
        with serving(environment, tmp_path / "log") as (url, process):
            request = threading.Thread(target=lambda: answers.append(get(f"{url}/readyz")))
            request.start()
            connection, _address = silent.accept()  # the request is at work
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            request.join()
            connection.close()

    assert [status for status, _body in answers] == [503]


def test_long_polls_leave_threads_for_health_checks(environment, tmp_path):
    environment |= {"WEB_WORKERS": "1", "WEB_THREADS": "8"}
    _migrated(environment, tmp_path)
    uuid, token = _manage(environment, "shell", "-v0", "-c", OPEN_UPLOAD).split()
    with serving(environment, tmp_path / "log") as (url, _process), ThreadPoolExecutor(12) as pool:
        polls = [pool.submit(_poll, f"{url}/async_image/presignedurl/{uuid}?wait=8", token) for _number in range(12)]
        wait_for(lambda: sum(poll.done() for poll in polls) == 10, 8)
        begun = time.monotonic()
        alive, _body = get(f"{url}/healthz", host="10.20.1.17", proto="http")
        took = time.monotonic() - begun
        still_waiting = sum(not poll.done() for poll in polls)
        statuses = [poll.result() for poll in polls]

    assert (alive, took < 2, still_waiting) == (200, True, 2)
    assert sorted(statuses) == [200] * 2 + [503] * 10


def test_pages_of_the_longest_keys_lead_on_and_back_and_to_the_login(environment, tmp_path):
    """An address has the folder, where the page begins, and the way back; the login page has all of it once more."""
    folders = ["写" * 100 + "/", "写" * 340 + "/"]
    keys = [f"{folder}{number:03}" for folder in folders for number in range(450)]
    assert max(len(key.encode()) for key in keys) == 1024
    _migrated(environment, tmp_path)
    _manage(environment, "collectstatic", "--no-input", "--verbosity=0")
    with list_server() as s3:
        s3.keys = keys
        environment["AWS_ENDPOINT_URL"] = s3.url
        bucket, session = _manage(environment, "shell", "-v0", "-c", LOG_IN).split()
        with serving(environment, tmp_path / "log") as (url, _process):
            walks = [
                _walk(url, f"/admin/media_catalog/bucket/{bucket}/objects/?prefix={quote(folder)}", session)
                for folder in folders
            ]

    there = ["000", "100", "200", "300", "400"]
    assert walks == [[*there, "300", "200", "100", "000"], [*there, "300"]]


def _walk(site: str, address: str, session: str) -> list[str]:
    """The first name of each page on the way to the last, and as far back as links lead."""
    names, way = [], "next"
    while True:
        assert get(site + address)[0] == 200, "the login page"
        status, page = get(site + address, cookie=f"sessionid={session}")
        assert status == 200
        names.append(re.search(r'<th scope="row"[^>]*><a[^>]*>([^<]*)<', page)[1])
        links = {rel: html.unescape(href) for href, rel in re.findall(r'<a href="([^"]*)" rel="(prev|next)"', page)}
        if way not in links:
            if way == "prev":
                return names
            way = "prev"
        if way not in links:
            return names
        address = links[way]


def _migrated(environment: dict[str, str], tmp_path: Path) -> None:
    """With a database and words for AWS, it serves pages."""
    environment |= {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    _manage(environment, "migrate", "--verbosity=0")


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _poll(url: str, token: str) -> int:
    headers = {"Host": HOST, "X-Forwarded-Proto": "https", "Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
