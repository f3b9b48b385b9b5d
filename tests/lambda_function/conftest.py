"""The function called by its handler in this process, against the local cloud and a stand-in for the API."""

import contextlib
import json
import secrets
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

import build
from localcloud.process import RunningCloud
from resizer import handler
from tests.lambda_function import api as callback_api

SETTINGS = ("UPLOAD_BUCKET", "TEMP_PREFIX", "PRESETS", "BLUR", "IMAGE_MAX_BYTES", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")


@dataclass(frozen=True)
class Context:
    """What Lambda tells of an invocation."""

    aws_request_id: str = "invocation-1"
    milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass(frozen=True)
class Buckets:
    uploads: str
    renditions: str


@pytest.fixture
def s3(local_cloud: RunningCloud) -> Iterator[Any]:
    with contextlib.closing(boto3.client("s3", endpoint_url=local_cloud.endpoint_url)) as client:
        yield client


@pytest.fixture
def buckets(s3: Any) -> Buckets:
    found = Buckets(*(f"{role}-{secrets.token_hex(6)}" for role in ("uploads", "renditions")))
    for name in (found.uploads, found.renditions):
        s3.create_bucket(Bucket=name)
    return found


@pytest.fixture
def api() -> Iterator[callback_api.Api]:
    with callback_api.serving() as server:
        yield server


@pytest.fixture
def environment(local_cloud: RunningCloud, buckets: Buckets, api: callback_api.Api) -> dict[str, str]:
    """The settings of the function."""
    return {
        "AWS_ENDPOINT_URL": local_cloud.endpoint_url,
        "RENDITIONS_BUCKETS": json.dumps(
            dict.fromkeys([buckets.uploads, buckets.renditions, "no-such-bucket"], buckets.renditions)
        ),
        "CALLBACK_URL": api.url,
        "CALLBACK_SECRET": callback_api.SECRET,
        "CALLBACK_SECONDS": "1",
    }


@pytest.fixture
def invoke(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., dict[str, Any] | None]]:
    """Calls the handler with the settings that `environment` has then, as a new process would."""

    def _invoke(event: Any, context: Context = Context(), **settings: str) -> dict[str, Any] | None:
        for name in SETTINGS:
            monkeypatch.delenv(name, raising=False)
        for name, value in {**environment, **settings}.items():
            monkeypatch.setenv(name, value)
        handler._resizer.cache_clear()
        return handler.handle(event, context)

    yield _invoke
    handler._resizer.cache_clear()


@pytest.fixture
def put(s3: Any, buckets: Buckets) -> Callable[..., str]:
    """Puts an upload of the API under a key of its own, `temp/<hex>`; returns the hex digits."""

    def _put(body: bytes, *, content_type: str = "image/jpeg", **metadata: str) -> str:
        hex_digits = uuid.uuid4().hex
        s3.put_object(
            Bucket=buckets.uploads,
            Key=f"temp/{hex_digits}",
            Body=body,
            ContentType=content_type,
            Metadata={name.replace("_", "-"): value for name, value in metadata.items()},
        )
        return hex_digits

    return _put


@pytest.fixture
def keys(s3: Any) -> Callable[[str], list[str]]:
    return lambda bucket: [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The lines of the log since the last look."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="session")
def function_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real zip, for the Python that runs the tests."""
    path = tmp_path_factory.mktemp("lambda") / "function.zip"
    build.build(path, python=f"{sys.version_info.major}.{sys.version_info.minor}")
    return path


@pytest.fixture(scope="session")
def task_root(function_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as Lambda unpacks it."""
    root = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(function_zip) as archive:
        archive.extractall(root)
    return root
