"""Clients of the local cloud that try once and leave no connection open."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config

from localcloud.process import RunningCloud

MakeClient = Callable[..., Any]


@pytest.fixture
def client() -> Iterator[MakeClient]:
    """Makes boto3 clients: `client("s3", cloud)`, with other credentials by keyword."""
    with ExitStack() as stack:

        def make(service: str, cloud: RunningCloud, **options: str) -> Any:
            config = Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None)
            defaults = {
                "endpoint_url": cloud.endpoint_url,
                "region_name": cloud.account.region,
                "aws_access_key_id": cloud.account.access_key_id,
                "aws_secret_access_key": cloud.account.secret_access_key,
            }
            return stack.enter_context(closing(boto3.client(service, config=config, **(defaults | options))))

        yield make


@pytest.fixture
def s3(local_cloud: RunningCloud, client: MakeClient) -> Any:
    return client("s3", local_cloud)


@pytest.fixture
def rekognition(local_cloud: RunningCloud, client: MakeClient) -> Any:
    return client("rekognition", local_cloud)


@pytest.fixture
def bucket(s3: Any) -> str:
    """The name of a new, empty bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def browser() -> Iterator[urllib3.PoolManager]:
    """Sends requests that no AWS library signs."""
    with urllib3.PoolManager(retries=False) as pool:
        yield pool
