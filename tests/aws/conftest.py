"""The gateway pointed at servers that tests control."""

from collections.abc import Callable, Iterator

import pytest
from botocore.retries.standard import ExponentialBackoff
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from media_catalog.aws.client import forget_clients
from tests.quota.conftest import database_away

from .faults import FaultServer, serving

__all__ = ["database_away"]

PointAt = Callable[[str], None]


@pytest.fixture
def point_at(settings: Settings) -> Iterator[PointAt]:
    """`point_at(url)` makes that the application's AWS."""

    def _point_at(url: str) -> None:
        settings.AWS_ENDPOINT_URL = url
        forget_clients()

    yield _point_at
    forget_clients()


@pytest.fixture
def faults(point_at: PointAt, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A scripted server as the application's AWS. Retries come at once; the whole script must be played."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda backoff, context: 0.01)
    with serving() as server:
        point_at(server.url)
        yield server
        assert not server.script


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str, point_at: PointAt) -> str:
    """An independent S3 as the application's AWS. Buckets outlive a test."""
    point_at(moto_url)
    return moto_url
