"""The API as its clients meet it: a user, a token, the Lambda's callback."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from media_catalog.models import Bucket, Upload
from media_catalog.services import api_tokens
from tests.localcloud.conftest import browser
from tests.pictures import jpeg

__all__ = ["browser"]

URL = "/async_image/presignedurl/"
SECRET = "one-secret-of-the-tests"


@pytest.fixture
def bucket(originals: Bucket, settings) -> Bucket:
    """The bucket for uploads by the API, and the secret of its Lambda."""
    settings.ASYNC_IMAGE_UPLOAD_BUCKET = originals.name
    settings.ASYNC_IMAGE_CALLBACK_SECRETS = [SECRET]
    return originals


@pytest.fixture
def api(client: Client, bucket: Bucket, staff_with) -> Client:
    """Logged in as a user who may upload; `.user`."""
    client.user = staff_with("add_image", "view_image")
    client.force_login(client.user)
    return client


@pytest.fixture
def token_for() -> Callable[..., dict[str, str]]:
    """The headers of a new token for a user."""

    def _token_for(user: User, *scopes: str, **values: Any) -> dict[str, str]:
        fields = {"name": "test", "scopes": scopes or ["upload", "read"], "expires_at": None, "issued_by": "", **values}
        _token, text = api_tokens.issue(user=user, **fields)
        return {"Authorization": f"Bearer {text}"}

    return _token_for


@pytest.fixture
def post(browser) -> Callable[..., None]:
    """Send a file by a credential, as its fields say, with the type and the file last."""

    def _post(credential: dict[str, Any], body: bytes | None = None, *, content_type: str = "image/jpeg") -> int:
        file = ("photo.jpg", jpeg(60, 40) if body is None else body, content_type)
        fields = {**credential["fields"], "Content-Type": content_type, "file": file}
        return browser.request("POST", credential["url"], fields=fields).status

    return _post


@pytest.fixture
def sent(api: Client, post: Callable[..., int]) -> str:
    """The uuid of an upload whose bytes are at S3."""
    record = create(api, metadata={"album": "press-day"})
    assert post(record["credential"]) == 204
    uuid: str = record["uuid"]
    return uuid


def create(api: Client, **body: Any) -> dict[str, Any]:
    response = api.post(URL, body, content_type="application/json")
    assert response.status_code == 201, response.content
    return response.json()


def signed(path: str, body: bytes, *, secret: str = SECRET, at: float = 0) -> dict[str, str]:
    timestamp = str(int(time.time() + at))
    digest = hmac.new(secret.encode(), f"{timestamp}.PUT{path}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Backoffice-Timestamp": timestamp, "X-Backoffice-Signature": digest}


def call_back(client: Client, uuid: str, report: Any, *, headers: dict[str, str] | None = None) -> HttpResponse:
    """The Lambda's PUT."""
    path, body = f"{URL}{uuid}", json.dumps(report).encode()
    chosen = signed(path, body) if headers is None else headers
    return client.put(path, body, content_type="application/json", headers=chosen)


def made(uuid: str, preset: str = "small", *, width: int = 60, height: int = 40) -> dict[str, Any]:
    return {
        "preset": preset,
        "key": f"image/{uuid}_{preset}.jpg",
        "etag": "e" * 32,
        "size": 900,
        "width": width,
        "height": height,
        "content_type": "image/jpeg",
    }


def success(uuid: str, *presets: str, width: int = 60, height: int = 40) -> dict[str, Any]:
    """What the Lambda says of a JPEG of this size that `post` has sent."""
    upload = Upload.objects.select_related("bucket").get(uuid=uuid)
    body = jpeg(60, 40)
    renditions = [made(uuid, preset, width=width, height=height) for preset in presets or ["small"]]
    return {
        "report": secrets.token_hex(16),
        "processed_key": renditions[0]["key"],
        "renditions": renditions,
        "source": {
            "bucket": upload.bucket.name,
            "key": upload.key,
            "etag": hashlib.md5(body, usedforsecurity=False).hexdigest(),
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "probe": {"format": "JPEG", "content_type": "image/jpeg", "width": 60, "height": 40, "orientation": 1},
        },
        "requests": {"s3_tier1": len(renditions), "s3_tier2": 1},
    }
