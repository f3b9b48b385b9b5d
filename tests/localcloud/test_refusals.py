"""What S3 refuses, the local cloud refuses too: a promise of its pinned server, checked at every upgrade."""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from localcloud.process import RunningCloud
from tests.localcloud.conftest import MakeClient

Post = Callable[..., urllib3.BaseHTTPResponse]

FIELDS = {"Content-Type": "image/png"}
CONDITIONS = [{"Content-Type": "image/png"}, ["content-length-range", 2, 10]]


@pytest.fixture
def link(s3: Any, bucket: str) -> str:
    """A presigned GET of an object that exists."""
    s3.put_object(Bucket=bucket, Key="a b+ü%.txt", Body=b"hello")
    url: str = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b+ü%.txt"}, ExpiresIn=60)
    return url


def test_a_link_opens_its_object(link: str, browser: urllib3.PoolManager) -> None:
    assert browser.request("GET", link).data == b"hello"


def test_a_link_with_a_changed_signature(link: str, browser: urllib3.PoolManager) -> None:
    last = "1" if link.endswith("0") else "0"
    assert _refused(browser.request("GET", link[:-1] + last)) == (403, "SignatureDoesNotMatch")


def test_a_link_by_another_secret(
    local_cloud: RunningCloud, client: MakeClient, bucket: str, link: str, browser: urllib3.PoolManager
) -> None:
    forger = client("s3", local_cloud, aws_secret_access_key="guessed")
    forged = forger.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b+ü%.txt"})
    assert _refused(browser.request("GET", forged)) == (403, "SignatureDoesNotMatch")


def test_a_link_without_its_signature(link: str, browser: urllib3.PoolManager) -> None:
    assert _refused(browser.request("GET", link.partition("?")[0])) == (403, "AccessDenied")


def test_links_and_forms_that_have_expired(s3: Any, bucket: str, link: str, browser: urllib3.PoolManager) -> None:
    place = {"Bucket": bucket, "Key": "a b+ü%.txt"}
    get = s3.generate_presigned_url("get_object", Params=place, ExpiresIn=1)
    put = s3.generate_presigned_url("put_object", Params=place, ExpiresIn=1)
    form = s3.generate_presigned_post(bucket, "late.txt", ExpiresIn=1)
    time.sleep(2.1)
    assert _refused(browser.request("GET", get)) == (403, "AccessDenied")
    assert _refused(browser.request("PUT", put, body=b"late")) == (403, "AccessDenied")
    late = browser.request("POST", form["url"], fields={**form["fields"], "file": b"late"})
    assert _refused(late) == (403, "AccessDenied")
    assert b"Policy expired" in late.data  # by which upload_send.js knows it
    assert browser.request("GET", link).data == b"hello"


@pytest.fixture
def post(s3: Any, bucket: str, browser: urllib3.PoolManager) -> Post:
    """Sends a form whose policy allows image/png of 2 to 10 bytes under the key up/a.png, fields changed as told."""

    def send(*, body: bytes = b"12345", **changes: str) -> urllib3.BaseHTTPResponse:
        form = s3.generate_presigned_post(bucket, "up/a.png", Fields=dict(FIELDS), Conditions=list(CONDITIONS))
        fields = form["fields"] | {name.replace("_", "-"): value for name, value in changes.items()}
        return browser.request("POST", form["url"], fields={**fields, "file": ("a.png", body, "image/png")})

    return send


def test_a_form_that_keeps_its_policy(s3: Any, bucket: str, post: Post) -> None:
    assert post().status == 204
    stored = s3.head_object(Bucket=bucket, Key="up/a.png")
    assert (stored["ContentLength"], stored["ContentType"]) == (5, "image/png")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"body": b"1"}, (400, "EntityTooSmall")),
        ({"body": b"12345678901"}, (400, "EntityTooLarge")),
        ({"Content_Type": "text/html"}, (403, "AccessDenied")),
        ({"key": "elsewhere/b.png"}, (403, "AccessDenied")),
        ({"x_amz_meta_extra": "not in the policy"}, (403, "AccessDenied")),
        ({"x_amz_signature": "0" * 64}, (403, "SignatureDoesNotMatch")),
        ({"policy": base64.b64encode(b'{"conditions": []}').decode()}, (403, "SignatureDoesNotMatch")),
    ],
    ids=["too small", "too large", "type", "key", "extra field", "signature", "policy"],
)
def test_a_form_that_breaks_its_policy(
    s3: Any, bucket: str, post: Post, change: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert _refused(post(**change)) == answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_conditional_write_to_a_taken_key(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refusal:
        s3.put_object(Bucket=bucket, Key="a", Body=b"second", IfNoneMatch="*")
    assert refusal.value.response["Error"]["Code"] == "PreconditionFailed"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"first"


@pytest.mark.parametrize("longest", ["k" * 1024, "f/" + "ü" * 511], ids=["ASCII", "UTF-8"])
def test_a_key_of_more_than_1024_bytes(s3: Any, bucket: str, longest: str) -> None:
    s3.put_object(Bucket=bucket, Key=longest, Body=b"fits")
    assert s3.get_object(Bucket=bucket, Key=longest)["Body"].read() == b"fits"
    source = {"Bucket": bucket, "Key": longest}
    place = {"Bucket": bucket, "Key": f"{longest}k"}
    for ask in (
        lambda: s3.put_object(**place, Body=b"does not"),
        lambda: s3.copy_object(**place, CopySource=source),
        lambda: s3.get_object(**place),
    ):
        with pytest.raises(ClientError) as refusal:
            ask()
        assert refusal.value.response["Error"]["Code"] == "KeyTooLongError"
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError, match="400"):
        s3.head_object(**place)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [longest]


def test_a_body_that_is_not_what_its_checksum_says(s3: Any, bucket: str) -> None:
    right, wrong = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (b"sent", b"other"))
    s3.put_object(Bucket=bucket, Key="right", Body=b"sent", ChecksumSHA256=right)
    assert s3.head_object(Bucket=bucket, Key="right", ChecksumMode="ENABLED")["ChecksumSHA256"] == right
    with pytest.raises(ClientError) as refusal:
        s3.put_object(Bucket=bucket, Key="wrong", Body=b"sent", ChecksumSHA256=wrong)
    assert refusal.value.response["Error"]["Code"] == "BadDigest"
    assert s3.list_objects_v2(Bucket=bucket, Prefix="wrong")["KeyCount"] == 0


def test_a_page_of_another_site(s3: Any, bucket: str, link: str, browser: urllib3.PoolManager) -> None:
    rule = {"AllowedOrigins": ["http://ours.test"], "AllowedMethods": ["GET", "POST"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert _allowed_origin(browser, link, "http://ours.test") == "http://ours.test"
    assert _allowed_origin(browser, link, "http://theirs.test") is None


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config"])
def test_what_would_wipe_everything_without_a_signature(
    local_cloud: RunningCloud, s3: Any, bucket: str, browser: urllib3.PoolManager, path: str
) -> None:
    assert browser.request("POST", local_cloud.endpoint_url + path).status == 403
    assert s3.head_bucket(Bucket=bucket)


def _refused(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    """Status and error code of a refusal."""
    return answer.status, answer.data.decode().partition("<Code>")[2].partition("</Code>")[0]


def _allowed_origin(browser: urllib3.PoolManager, url: str, origin: str) -> str | None:
    return browser.request("GET", url, headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")
