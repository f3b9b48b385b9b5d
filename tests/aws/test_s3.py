"""The gateway against S3: the local cloud, and one that others wrote."""

import io
import secrets
from collections.abc import Iterator

import pytest
import urllib3
from pytest_django import Settings

from media_catalog.aws import presign, s3
from media_catalog.aws.client import client
from media_catalog.exceptions import AwsConflict
from media_catalog.quota import meter
from tests.quota.ledger import used

pytestmark = pytest.mark.django_db

KEYS = [
    "plain.jpg",
    "folder/sub folder/with spaces.jpg",
    "größe/写真/😀.jpg",
    "100%/%41%2F%25.jpg",
    "a+b c&d=e;f,g@h:i.jpg",
    "quotes 'single' \"double\" <angle> `back`.jpg",
    "question?mark#hash[brackets]{braces}|pipe\\back~tilde^.jpg",
    "e\u0301 and \u00e9.jpg",
    "two//slashes/./and/../dots.jpg",
    "with\ttab.jpg",
    "x" * 1024,
]


@pytest.fixture
def bucket(cloud: object) -> str:
    name = f"photos-{secrets.token_hex(6)}"
    s3.create_bucket(name, region="us-east-1")
    return name


@pytest.fixture
def browser() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False) as pool:
        yield pool


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:30]))
def test_a_key_comes_back_as_it_went(key: str, bucket: str) -> None:
    body = key.encode()
    with meter.tally() as tally:
        etag = s3.put_object(bucket, key, io.BytesIO(body), content_type="image/jpeg")
        got = s3.get_object(bucket, key)
        info = s3.head_object(bucket, key)
        s3.delete_object(bucket, key)
        gone = s3.head_object(bucket, key)

    assert got == s3.ObjectContent(etag=etag, size=len(body), content_type="image/jpeg", body=body)
    assert info == s3.ObjectInfo(etag=etag, size=len(body), content_type="image/jpeg")
    assert gone is None
    assert tally == {"s3_tier1": 1, "s3_tier2": 3, "free": 1}


def test_keys_that_look_alike_are_different_objects(bucket: str) -> None:
    alike = ["a b", "a+b", "a%20b", "a%2520b", "A b", "a  b"]
    for key in alike:
        s3.put_object(bucket, key, key.encode(), content_type="text/plain")

    found = {key: s3.get_object(bucket, key) for key in alike}

    assert {key: content and content.body for key, content in found.items()} == {key: key.encode() for key in alike}


def test_an_object_that_is_there_wins(bucket: str) -> None:
    s3.put_object(bucket, "a.jpg", b"first", content_type="image/jpeg")
    with pytest.raises(AwsConflict):
        s3.put_object(bucket, "a.jpg", b"second", content_type="image/jpeg")

    first = s3.get_object(bucket, "a.jpg")
    s3.put_object(bucket, "a.jpg", b"third", content_type="image/jpeg", overwrite=True)
    third = s3.get_object(bucket, "a.jpg")

    assert first
    assert first.body == b"first"
    assert third
    assert third.body == b"third"


@pytest.mark.parametrize(("region", "constraint"), [("us-east-1", None), ("eu-west-1", "eu-west-1")])
def test_a_new_bucket_is_there_and_in_its_region(
    region: str, constraint: str | None, cloud: object, settings: Settings
) -> None:
    settings.QUOTA_REFUSE_UNKNOWN = False  # the application never asks for the region as the test does below
    name = f"photos-{secrets.token_hex(6)}"
    assert not s3.bucket_exists(name)

    s3.create_bucket(name, region=region)

    assert s3.bucket_exists(name)
    [listed] = [info for info in s3.list_buckets() if info.name == name]
    assert listed.created_at
    assert client("s3").get_bucket_location(Bucket=name)["LocationConstraint"] == constraint


def test_a_bucket_name_that_is_taken_is_a_conflict(cloud: object) -> None:
    name = f"photos-{secrets.token_hex(6)}"
    s3.create_bucket(name, region="eu-west-1")

    with pytest.raises(AwsConflict):
        s3.create_bucket(name, region="eu-west-1")


@pytest.mark.parametrize("key", KEYS[:8], ids=lambda key: ascii(key[:30]))
def test_a_download_link_works_in_a_browser(key: str, bucket: str, browser: urllib3.PoolManager) -> None:
    s3.put_object(bucket, key, b"picture", content_type="image/jpeg")
    before = used()
    disposition = "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg"

    link = presign.download_link(bucket, key, disposition=disposition, content_type="image/png", seconds=300)

    answer = browser.request("GET", link)
    assert answer.status == 200
    assert answer.data == b"picture"
    assert answer.headers["content-disposition"] == disposition
    assert answer.headers["content-type"] == "image/png"
    assert "X-Amz-Expires=300" in link
    assert used() == before | {"s3_tier2": 1}
