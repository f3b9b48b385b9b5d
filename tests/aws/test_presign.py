"""Links and forms for browsers: what they allow is exactly what was meant, and no more."""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from pytest_django import Settings

from media_catalog.aws import presign, s3
from media_catalog.aws.client import client, forget_clients
from media_catalog.exceptions import AwsDenied, KeyRefused
from tests.localcloud.conftest import browser
from tests.posting import send
from tests.quota.ledger import used

__all__ = ["browser"]
pytestmark = pytest.mark.django_db
TYPES = ["image/jpeg", "image/png", "image/webp"]
LOST = ["/a.jpg", "a//b.jpg", "a/../b.jpg", "../a.jpg", "a/..", "./a.jpg", "a/./b.jpg", ".."]


@pytest.fixture(autouse=True)
def _own_clients() -> Iterator[None]:
    """Made by what the test has set."""
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def bucket(cloud: object) -> str:
    name = f"posts-{secrets.token_hex(6)}"
    s3.create_bucket(name, region="us-east-1")
    return name


def form(bucket: str = "photos", key: str = "temp/1", **changes: Any) -> presign.Post:
    terms: dict[str, Any] = {"content_types": TYPES, "max_bytes": 10, "metadata": {}, "seconds": 60}
    return presign.post_policy(bucket, key, **terms | changes)


def conditions(post: presign.Post) -> list[Any]:
    """Without those that sign."""
    found = json.loads(base64.b64decode(post.fields["policy"]))["conditions"]
    signs = ("x-amz-algorithm", "x-amz-credential", "x-amz-date")
    return [entry for entry in found if not (isinstance(entry, dict) and entry.keys() & set(signs))]


class TestPolicy:
    def test_fixes_all_that_the_browser_may_not_choose(self) -> None:
        post = form(metadata={"Album": "7", "note": "a b"})

        assert sorted(conditions(post), key=str) == sorted(
            [
                {"bucket": "photos"},
                {"key": "temp/1"},
                {"x-amz-meta-album": "7"},
                {"x-amz-meta-note": "a b"},
                ["content-length-range", 1, 10],
                ["starts-with", "$Content-Type", "image/"],
            ],
            key=str,
        )
        assert post.fields["x-amz-meta-album"] == "7"
        assert post.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"

    def test_fixes_a_single_type(self) -> None:
        post = form(content_types=["image/png"])

        assert {"Content-Type": "image/png"} in conditions(post)
        assert post.fields["Content-Type"] == "image/png"

    @pytest.mark.parametrize("types", [["image/png", "text/plain"], []])
    def test_takes_no_types_that_share_nothing(self, types: list[str]) -> None:
        with pytest.raises(ValueError, match="unpack"):
            form(content_types=types)

    def test_names_the_token_of_a_role(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")

        post = form()

        assert post.fields["x-amz-security-token"] == "a-token"
        assert {"x-amz-security-token": "a-token"} in conditions(post)

    @pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
    @pytest.mark.parametrize(
        ("bucket", "place"), [("photos", "photos.s3.{}.amazonaws.com/"), ("my.photos", "s3.{}.amazonaws.com/my.photos")]
    )
    def test_goes_to_the_endpoint_of_the_region(self, bucket: str, place: str, region: str, settings: Settings) -> None:
        settings.AWS_REGION = region

        post = form(bucket)
        link = presign.download_link(bucket, "a.jpg", disposition="inline", content_type="image/jpeg", seconds=60)

        assert post.url == f"https://{place.format(region)}"
        assert presign.post_origin(bucket) == f"https://{place.format(region).partition('/')[0]}"
        assert f"/{region}/s3/aws4_request" in post.fields["x-amz-credential"]
        assert link.startswith(f"https://{place.format(region).rstrip('/')}/a.jpg?")

    def test_needs_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(AwsDenied):
            form()

    def test_counts_nothing(self) -> None:
        form()
        assert used() == {}


class TestForm:
    """Sent to a server that keeps the policy."""

    def test_puts_the_object_with_its_metadata(self, bucket: str, browser: urllib3.PoolManager) -> None:
        post = form(bucket, "temp/ü b", metadata={"album": "7"})

        assert send(browser, post, b"12345", content_type="image/webp").status == 204

        stored = client("s3").head_object(Bucket=bucket, Key="temp/ü b")
        assert (stored["ContentLength"], stored["ContentType"], stored["Metadata"]) == (5, "image/webp", {"album": "7"})

    @pytest.mark.parametrize(
        ("body", "changes", "status"),
        [
            (b"", {}, 400),
            (b"12345678901", {}, 400),
            (b"12345", {"key": "temp/2"}, 403),
            (b"12345", {"Content-Type": "text/html"}, 403),
            (b"12345", {"x-amz-meta-album": "8"}, 403),
            (b"12345", {"x-amz-meta-more": "8"}, 403),
        ],
    )
    def test_puts_nothing_else(
        self, body: bytes, changes: dict[str, str], status: int, bucket: str, browser: urllib3.PoolManager
    ) -> None:
        post = form(bucket, metadata={"album": "7"})

        assert send(browser, post, body, **changes).status == status
        assert client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


class TestKeys:
    @pytest.mark.parametrize("key", LOST)
    def test_that_a_url_cannot_carry_get_neither_link_nor_form(self, key: str) -> None:
        with pytest.raises(KeyRefused):
            form(key=key)
        with pytest.raises(KeyRefused):
            presign.download_link("photos", key, disposition="inline", content_type="image/jpeg", seconds=60)
        assert used() == {}

    @pytest.mark.parametrize("key", ["a.jpg", "a/b..c.jpg", "a/...", ".hidden", "folder/", "a/.b/c"])
    def test_that_only_look_like_it_are_fine(self, key: str) -> None:
        assert form(key=key).fields["key"] == key

    def test_with_a_place_for_the_file_name_would_not_be_exact(self) -> None:
        with pytest.raises(KeyRefused):
            form(key="temp/${filename}")
