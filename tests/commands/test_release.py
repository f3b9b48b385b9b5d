"""`manage.py release`, and what it and the worker do while the database is away."""

import signal
import subprocess
import sys
import time

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django_q.models import Schedule

from media_catalog.services import readiness
from tests.backoffice.webserver import production
from tests.stack import ROOT

pytestmark = pytest.mark.django_db
NOBODY = "postgres://backoffice@127.0.0.1:1/backoffice"


@pytest.fixture
def answers_after(monkeypatch):
    """The database refuses so many times; returns the pauses made meanwhile."""

    def _answers_after(refusals: int) -> list[float]:
        pauses: list[float] = []
        real = connection.cursor

        def cursor(*args, **kwargs):
            if len(pauses) < refusals:
                raise OperationalError("connection refused")
            return real(*args, **kwargs)

        monkeypatch.setattr(connection, "cursor", cursor)
        monkeypatch.setattr(connection, "close", lambda: None)
        monkeypatch.setattr(readiness.time, "sleep", pauses.append)
        return pauses

    return _answers_after


def test_installs_the_schedules_of_a_migrated_database_and_may_be_repeated():
    for _time in range(2):
        call_command("release", verbosity=0)

    assert Schedule.objects.filter(name="heartbeat").count() == 1


def test_waits_until_the_database_answers(answers_after):
    pauses = answers_after(3)

    readiness.wait_for_database(60)

    assert pauses == [readiness.PAUSE_SECONDS] * 3


def test_does_not_wait_for_ever(answers_after):
    answers_after(10)

    with pytest.raises(OperationalError):
        readiness.wait_for_database(1)


@pytest.mark.parametrize("command", ["release", "worker"])
def test_gives_up_after_its_time_so_that_it_is_seen(tmp_path, command):
    environment = production(tmp_path, NOBODY) | {"DATABASE_WAIT_SECONDS": "1"}

    done = subprocess.run(
        [sys.executable, "manage.py", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize("command", ["release", "worker"])
def test_sigterm_ends_the_wait(tmp_path, command):
    environment = production(tmp_path, NOBODY)
    process = subprocess.Popen(
        [sys.executable, "manage.py", command], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "does not answer yet" in process.stderr.readline()
    begun = time.monotonic()
    process.terminate()
    process.communicate(timeout=10)

    assert process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 5
