"""Moto as a server of its own: an S3 that others wrote."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from media_catalog.aws.client import forget_clients


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    """No fault here wears the clients out, so all tests share them."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    forget_clients()
    yield f"http://{host}:{port}"
    forget_clients()
    server.stop()
