"""The gateway pointed at servers that tests control."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from media_catalog.aws.client import forget_clients
from tests.quota.conftest import database_away

from .faults import FaultServer, serving

__all__ = ["database_away"]

PointAt = Callable[[str], None]


@pytest.fixture
def point_at(settings: Settings) -> Iterator[PointAt]:
    """`point_at(url)` makes that the application's AWS, with new clients."""

    def _point_at(url: str) -> None:
        settings.AWS_ENDPOINT_URL = url
        forget_clients()

    yield _point_at
    forget_clients()


@pytest.fixture
def faults(point_at: PointAt) -> Iterator[FaultServer]:
    """A scripted server as the application's AWS. The whole script must be played."""
    with serving() as server:
        point_at(server.url)
        yield server
        assert not server.script
