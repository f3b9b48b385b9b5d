"""The client of docs/api.md, run as it stands there against the live product."""

import json
import re
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.pictures import jpeg
from tests.stack import ROOT, running_stack, wait_for

from .conftest import SECRET, URL, made, signed

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

TOKEN = """
from django.contrib.auth.models import User
from media_catalog.services import api_tokens
user, scopes = User.objects.get(), ["upload", "read"]
print(api_tokens.issue(name="client", user=user, scopes=scopes, expires_at=None, issued_by="")[1])
"""


def test_the_documented_client_uploads_and_waits(tmp_path):
    [source] = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), re.M | re.S)
    (tmp_path / "client.py").write_text(source)
    (tmp_path / "photo.jpg").write_bytes(jpeg(60, 40))
    with running_stack(tmp_path, ASYNC_IMAGE_CALLBACK_SECRETS=SECRET) as stack, ThreadPoolExecutor() as pool:
        url = stack.start_web()
        token = stack.manage("shell", "-v0", "-c", TOKEN).strip()
        command = [sys.executable, "client.py", url, token, "photo.jpg"]
        client = pool.submit(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=90)
        uuid = wait_for(lambda: _sent(stack), 60)
        _report(url, uuid)
        done = client.result()

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["completed", f"image/{uuid}_small.jpg"]


def _sent(stack):
    """The uuid of the upload whose bytes are at S3."""
    if not stack.cloud.access_log.operations(0).get("PostObject"):
        return None
    [[uuid]] = stack.query("SELECT uuid FROM media_catalog_upload")
    return uuid


def _report(url, uuid):
    """As the Lambda would."""
    body = json.dumps({"processed_key": f"image/{uuid}_small.jpg", "renditions": [made(uuid)]}).encode()
    path = f"{URL}{uuid}"
    headers = {"Content-Type": "application/json", **signed(path, body)}
    request = urllib.request.Request(f"{url}{path}", body, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
