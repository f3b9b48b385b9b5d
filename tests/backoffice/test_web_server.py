"""The web process of production: its start without a database or a secret, its end, its log."""

import signal
import socket
import subprocess
import threading

import pytest

from tests.backoffice.webserver import COMMAND, get, log_lines, production, serving
from tests.stack import ROOT

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
NOBODY = "postgres://backoffice:hidden-password@127.0.0.1:1/backoffice"


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
