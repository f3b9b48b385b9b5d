"""The local cloud as tests use it: a real server of their own for every test process."""

from collections.abc import Iterator

import pytest

from localcloud.process import Account, RunningCloud, running

# The credentials that backoffice.settings.test puts into the environment.
ACCOUNT = Account(access_key_id="testing", secret_access_key="testing-secret")


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A running cloud: `.endpoint_url`, `.environment` (for boto3), `.access_log`. Buckets outlive a test."""
    with running(tmp_path_factory.mktemp("cloud"), account=ACCOUNT) as cloud:
        yield cloud
