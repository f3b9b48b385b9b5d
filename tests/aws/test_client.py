"""Clients are made once for each process and service."""

import os
import subprocess
import sys

from django.conf import settings as django_settings
from pytest_django import Settings

from media_catalog.aws import presign
from media_catalog.aws.client import client, forget_clients

from .conftest import PointAt

FORK = """
import os
import django
django.setup()
from media_catalog.aws.client import client
before = client("s3")
child = os.fork()
if not child:
    os._exit(3 if client("s3") is before else 0)
_pid, status = os.waitpid(child, 0)
assert client("s3") is before
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_is_kept(point_at: PointAt) -> None:
    point_at("")

    assert client("s3") is client("s3")
    assert client("s3") is not client("rekognition")


def test_follows_a_change_of_the_endpoint(point_at: PointAt) -> None:
    point_at("http://127.0.0.1:1")
    before = client("s3")

    point_at("http://127.0.0.1:2")

    assert client("s3") is not before
    assert client("s3").meta.endpoint_url == "http://127.0.0.1:2"


def test_is_forgotten_on_request(point_at: PointAt) -> None:
    point_at("")
    before = client("s3")

    forget_clients()

    assert client("s3") is not before


def test_is_not_carried_over_a_fork() -> None:
    """Two processes on one connection would mix their answers."""
    run = subprocess.run(
        [sys.executable, "-c", FORK], env=os.environ, cwd=django_settings.BASE_DIR, timeout=60, check=False
    )

    assert run.returncode == 0


def test_links_are_for_the_endpoint_that_browsers_reach(point_at: PointAt, settings: Settings, db: None) -> None:
    point_at("http://cloud:4566")
    options = {"disposition": "inline", "content_type": "image/jpeg", "seconds": 60}

    assert presign.download_link("bucket", "key", **options).startswith("http://cloud:4566/bucket/key?")

    settings.AWS_BROWSER_ENDPOINT_URL = "http://127.0.0.1:4566"
    forget_clients()
    assert presign.download_link("bucket", "key", **options).startswith("http://127.0.0.1:4566/bucket/key?")
    assert client("s3").meta.endpoint_url == "http://cloud:4566"
