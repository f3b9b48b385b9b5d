"""`manage.py release`, and what it, the worker and the consumer do while the database is away."""

import secrets
import signal
import subprocess
import sys
import time

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django_q.models import Schedule

from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket
from media_catalog.services import readiness
from tests.backoffice.webserver import production
from tests.stack import ROOT

pytestmark = pytest.mark.django_db
BUCKETS = (
    "BUCKET_ORIGINALS",
    "BUCKET_RENDITIONS",
    "BUCKET_STATIC",
    "BUCKET_FILES",
    "ASYNC_IMAGE_UPLOAD_BUCKET",
    "ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET",
)
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


class TestBuckets:
    @pytest.fixture
    def named(self, cloud, settings):
        """Buckets that a stack has made."""
        prefix = secrets.token_hex(6)
        for name in BUCKETS:
            bucket = f"{prefix}-{name.lower().replace('_', '-')}"
            setattr(settings, name, bucket)
            s3.create_bucket(bucket, region="us-east-1")
        return settings

    def test_are_written_down_so_that_staff_and_the_api_can_upload(self, named, client, staff_with):
        call_command("release", "--buckets", verbosity=0)

        pairs = Bucket.objects.for_uploads().values_list("name", "renditions_bucket__name", "resize_engine")
        assert set(pairs) == {
            (named.BUCKET_ORIGINALS, named.BUCKET_RENDITIONS, "worker"),
            (named.ASYNC_IMAGE_UPLOAD_BUCKET, named.ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET, "lambda"),
        }
        client.force_login(staff_with("add_image"))
        answer = client.post("/async_image/presignedurl/", {}, content_type="application/json")
        assert answer.status_code == 201, answer.content
        assert answer.json()["credential"]["url"].endswith(named.ASYNC_IMAGE_UPLOAD_BUCKET)

    def test_are_written_down_once(self, named, cloud):
        call_command("release", "--buckets", verbosity=0)
        engine = Bucket.objects.get(name=named.ASYNC_IMAGE_UPLOAD_BUCKET)
        engine.resize_engine = Bucket.ResizeEngine.WORKER
        engine.save()
        mark = cloud.access_log.mark()
        call_command("release", "--buckets", verbosity=0)
        assert not cloud.access_log.operations(mark)

        call_command("create_buckets")
        engine.refresh_from_db()
        assert engine.resize_engine == Bucket.ResizeEngine.WORKER  # what staff chose stays

    def test_that_cannot_be_reached_fail_the_release(self, named):
        named.AWS_ENDPOINT_URL = "http://127.0.0.1:1"
        forget_clients()
        with pytest.raises(CommandError, match="could not be reached"):
            call_command("release", "--buckets", verbosity=0)

    def test_renditions_of_both_never_meet(self, named):
        named.ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET = named.BUCKET_RENDITIONS
        assert [error.id for error in run_checks()] == ["media_catalog.E003"]


def test_without_being_asked_no_request_is_made(cloud):
    mark = cloud.access_log.mark()
    call_command("release", verbosity=0)
    assert not cloud.access_log.operations(mark)


def test_waits_until_the_database_answers(answers_after):
    pauses = answers_after(3)

    readiness.wait_for_database(60)

    assert pauses == [readiness.PAUSE_SECONDS] * 3


def test_does_not_wait_for_ever(answers_after):
    answers_after(10)

    with pytest.raises(OperationalError):
        readiness.wait_for_database(1)


@pytest.mark.parametrize("command", ["release", "worker", "consume_events"])
def test_gives_up_after_its_time_so_that_it_is_seen(tmp_path, command):
    environment = production(tmp_path, NOBODY) | {"DATABASE_WAIT_SECONDS": "1"}

    done = subprocess.run(
        [sys.executable, "manage.py", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize("command", ["release", "worker", "consume_events"])
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
