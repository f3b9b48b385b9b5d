import pytest

from media_catalog.aws.client import forget_clients
from tests.aws.faults import serving


@pytest.fixture
def s3_says(originals, settings):
    """A server in the place of S3 that answers by script."""
    with serving() as server:
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        yield server
