"""The management commands, as an operator runs them."""

import secrets
import signal
import socket
import urllib.error
import urllib.request

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django_q.models import Schedule

from localcloud.samples import sample_pictures
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, Image, Job, RequestUsage
from tests.stack import is_alive, process_tree, running_stack, wait_for


@pytest.fixture
def named(cloud, db, settings):
    """Bucket names of the test's own in the settings."""
    prefix = secrets.token_hex(6)
    settings.BUCKET_ORIGINALS, settings.BUCKET_RENDITIONS, settings.BUCKET_STATIC = (
        f"{prefix}-{role}" for role in ("originals", "renditions", "static")
    )
    return settings


def _nothing_listens_at() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def _may_post(named, *, origin: str) -> bool:
    """Whether a browser on that origin would be let through by its preflight request."""
    preflight = urllib.request.Request(
        f"{named.AWS_ENDPOINT_URL}/{named.BUCKET_ORIGINALS}/key",
        method="OPTIONS",
        headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
    )
    try:
        with urllib.request.urlopen(preflight) as answer:
            return answer.headers["Access-Control-Allow-Origin"] == origin
    except urllib.error.HTTPError:
        return False


class TestCreateBuckets:
    def test_makes_the_three_with_cors_for_the_site(self, named, capsys):
        call_command("create_buckets", "--origin=http://127.0.0.1:8000")

        printed = capsys.readouterr().out
        assert f"{named.BUCKET_ORIGINALS}: Originals" in printed
        assert Bucket.objects.for_uploads().get().renditions_bucket.name == named.BUCKET_RENDITIONS
        assert _may_post(named, origin="http://127.0.0.1:8000")
        assert not _may_post(named, origin="http://elsewhere.example")
        usage = RequestUsage.objects.filter(action="create_buckets", operation="CreateBucket")
        assert [(row.bucket in printed, row.count) for row in usage] == [(True, 1)] * 3

    def test_the_allowed_hosts_are_the_default_origins(self, named):
        named.ALLOWED_HOSTS = ["backoffice.example"]
        call_command("create_buckets")

        assert _may_post(named, origin="https://backoffice.example")

    def test_without_an_origin_it_says_what_is_missing(self, named):
        named.ALLOWED_HOSTS = ["*"]
        with pytest.raises(CommandError, match="--origin"):
            call_command("create_buckets")

    def test_s3_away_is_a_sentence(self, named):
        named.AWS_ENDPOINT_URL = _nothing_listens_at()
        forget_clients()
        with pytest.raises(CommandError, match="could not be reached"):
            call_command("create_buckets", "--origin=http://127.0.0.1:8000")


class TestDemo:
    def test_a_first_start_is_usable_and_a_second_changes_nothing(self, named, capsys, client):
        call_command("demo")
        printed = capsys.readouterr().out
        password = printed.split("with the password ")[1].split()[0]
        assert client.login(username="admin", password=password)
        assert Image.objects.count() == len(sample_pictures())
        assert s3.bucket_exists(named.BUCKET_STATIC)
        assert Job.objects.get().items.count() == len(sample_pictures())

        call_command("demo")

        assert "password" not in capsys.readouterr().out
        assert User.objects.count() == 1
        assert Image.objects.count() == len(sample_pictures())

    def test_on_aws_it_makes_a_superuser_and_nothing_else(self, named, cloud):
        named.AWS_ENDPOINT_URL = ""
        mark = cloud.access_log.mark()

        call_command("demo")

        assert User.objects.get().is_superuser
        assert not Bucket.objects.exists()
        assert not cloud.access_log.operations(mark)

    def test_a_cloud_that_never_comes_up_is_said(self, named, monkeypatch):
        monkeypatch.setattr("localcloud.management.commands.demo.PATIENCE_SECONDS", 0.3)
        named.AWS_ENDPOINT_URL = _nothing_listens_at()

        with pytest.raises(CommandError, match="Nothing answers"):
            call_command("demo")


def test_schedules_are_installed_and_said(db, capsys):
    call_command("sync_schedules")
    assert capsys.readouterr().out == f"{Schedule.objects.count()} schedules installed.\n"


@pytest.mark.live
@pytest.mark.xdist_group("live")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_with_all_its_processes(tmp_path, how):
    with running_stack(tmp_path) as stack:
        worker = stack.start_worker()
        # The command, the cluster's head, its sentinel, pusher, monitor and two workers.
        wait_for(lambda: len(process_tree(worker.pid)) >= 7, 20)
        processes = process_tree(worker.pid)

        worker.send_signal(how)

        assert worker.wait(10) == 0, stack.log("worker")
        wait_for(lambda: not any(is_alive(pid) for pid in processes), 5)
