"""Clients are made once for each process and service."""

import os
import subprocess
import sys

from django.conf import settings

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
    run = subprocess.run([sys.executable, "-c", FORK], env=os.environ, cwd=settings.BASE_DIR, timeout=60, check=False)

    assert run.returncode == 0
