"""The meter's count is the server's own access log: retries, pages and redirects included, refusals left out."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from django.db import connection, transaction

from media_catalog.aws import bucket_settings, client, rekognition, s3
from media_catalog.exceptions import AwsError, AwsUnavailable, MeterUnavailable, QuotaRefused
from media_catalog.models import RequestUsage
from media_catalog.quota import meter
from media_catalog.quota.attribution import attribute
from media_catalog.services.bucket_settings import site_rule
from tests.quota.conftest import Trouble
from tests.quota.ledger import attributed, no_limits, set_limit, used

from .conftest import PointAt
from .faults import HANG, OK, RESET, Answer, FaultServer, s3_error

pytestmark = pytest.mark.django_db

BUSY = s3_error(503, "SlowDown")
ELSEWHERE = s3_error(301, "PermanentRedirect")
REGION = {"x-amz-bucket-region": "eu-west-1"}

ROLE = b"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>renewed</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def put() -> str:
    return s3.put_object("photos", "a.jpg", b"bytes", content_type="image/jpeg")


def page(*names: str, token: str = "") -> Answer:
    buckets = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in names)
    more = f"<ContinuationToken>{token}</ContinuationToken>" if token else ""
    return Answer(body=f"<ListAllMyBucketsResult><Buckets>{buckets}</Buckets>{more}</ListAllMyBucketsResult>".encode())


CALLS: dict[str, tuple[Callable[[], object], list[Answer]]] = {
    "put": (put, [OK]),
    "put after two refusals": (put, [BUSY, BUSY, OK]),
    "put after a broken connection": (put, [RESET, OK]),
    "put to another region that is named": (put, [Answer(**vars(ELSEWHERE) | {"headers": REGION}), OK]),
    "put to another region that is asked for": (put, [ELSEWHERE, Answer(headers=REGION), OK]),
    "get": (lambda: s3.get_object("photos", "a.jpg"), [Answer(body=b"bytes", headers=OK.headers)]),
    "get of nothing": (lambda: s3.get_object("photos", "a.jpg"), [s3_error(404, "NoSuchKey")]),
    "head": (lambda: s3.head_object("photos", "a.jpg"), [OK]),
    "head of nothing": (lambda: s3.head_object("photos", "a.jpg"), [Answer(status=404)]),
    "delete": (lambda: s3.delete_object("photos", "a.jpg"), [Answer(status=204)]),
    "three pages of buckets": (s3.list_buckets, [page("a", token="x"), page("b", token="y"), page("c")]),
    "bucket": (lambda: s3.bucket_exists("photos"), [OK]),
    "new bucket": (lambda: s3.create_bucket("photos", region="eu-west-1"), [OK]),
    "bucket's origins": (lambda: bucket_settings.put_cors("photos", [site_rule(["https://example.com"])]), [OK]),
    "faces": (lambda: rekognition.detect_faces("photos", "a.jpg"), [Answer(body=b'{"FaceDetails": []}')]),
}


@pytest.mark.parametrize("name", CALLS)
def test_counts_each_request_that_arrives(name: str, faults: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    call, script = CALLS[name]
    faults.script.extend(script)
    caplog.set_level(logging.WARNING)

    call()

    assert len(faults.log) == len(script)
    assert used() == attributed() == faults.billed
    assert not caplog.records  # the price of each is known


def test_a_lost_answer_is_counted_with_its_retries(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_SECONDS", 0.2)
    faults.script.extend([HANG] * 3)

    with pytest.raises(AwsUnavailable):
        s3.head_object("photos", "a.jpg")

    assert used() == faults.billed == {"s3_tier2": 3}


def test_an_answer_that_breaks_off_is_counted_once(faults: FaultServer) -> None:
    faults.script.append(Answer(body=b"half", missing=4, headers=OK.headers))

    with pytest.raises(AwsUnavailable):
        s3.get_object("photos", "a.jpg")

    assert used() == faults.billed == {"s3_tier2": 1}


def test_what_never_arrives_is_counted_for_safety(point_at: PointAt) -> None:
    point_at("http://127.0.0.1:1")

    with pytest.raises(AwsUnavailable):
        s3.head_object("photos", "a.jpg")

    assert used() == {"s3_tier2": client.ATTEMPTS}


def test_names_the_bucket_beside_who_spends(faults: FaultServer) -> None:
    faults.script.extend([OK, page("photos")])
    with attribute(username="ann", action="admin:upload", bucket="another"):
        put()
        s3.list_buckets()

    rows = RequestUsage.objects.values_list("username", "action", "bucket", "operation", "count")
    assert set(rows) == {
        ("ann", "admin:upload", "photos", "PutObject", 1),
        ("ann", "admin:upload", "", "ListBuckets", 1),
    }


def test_credentials_come_from_sts_whatever_is_used_up(
    faults: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """botocore's own client asks for them, with our handler."""
    (tmp_path / "token").write_text("by the platform")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backoffice")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", faults.url)
    set_limit("rekognition_image", 0)
    faults.script.extend([Answer(body=ROLE), OK])

    put()

    assert [request.method for request in faults.log] == ["POST", "PUT"]
    assert used() == {"free": 1, "s3_tier1": 1}


class TestSendsNothing:
    def test_at_the_limit(self, faults: FaultServer) -> None:
        set_limit("s3_tier1", 0)

        with pytest.raises(QuotaRefused) as refusal:
            put()

        assert type(refusal.value) is QuotaRefused
        assert refusal.value.shortfall.request_class == "s3_tier1"
        assert not faults.log
        assert used() == {}

    def test_when_a_retry_would_pass_the_limit(self, faults: FaultServer) -> None:
        set_limit("s3_tier1", 2)
        faults.script.extend([BUSY, BUSY])

        with pytest.raises(QuotaRefused):
            put()

        assert used() == faults.billed == {"s3_tier1": 2}

    def test_when_a_page_would_pass_the_limit(self, faults: FaultServer) -> None:
        set_limit("s3_tier1", 1)
        faults.script.append(page("a", token="x"))

        with pytest.raises(QuotaRefused):
            s3.list_buckets()

        assert used() == faults.billed == {"s3_tier1": 1}

    def test_when_the_database_is_away(self, faults: FaultServer, database_away: Trouble) -> None:
        with database_away(), pytest.raises(MeterUnavailable):
            put()

        assert not faults.log

    @pytest.mark.django_db(transaction=True)
    def test_inside_a_transaction(self, faults: FaultServer) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="may not be made inside a transaction"):
            put()

        assert not faults.log
        assert used() == {}

    def test_for_a_name_that_cannot_be_one(self, faults: FaultServer) -> None:
        with pytest.raises(AwsError) as refusal:
            s3.put_object("no bucket", "a.jpg", b"", content_type="image/jpeg")

        assert refusal.value.code == "aws"  # for ever, unlike "unavailable"
        assert not faults.log
        assert used() == {}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_the_count_is_committed_before_the_request_arrives(faults: FaultServer) -> None:
    no_limits()
    seen: list[dict[str, int]] = []

    def look() -> None:
        seen.append(used())  # on the server's thread, so over another connection
        connection.close()

    faults.on_arrival = look
    faults.script.extend([BUSY, OK])

    put()

    assert seen == [{"s3_tier1": 1}, {"s3_tier1": 2}]


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_counts_the_retries_of_each_mode(mode: str, faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    make = client.Config
    retries = {"mode": mode, "total_max_attempts": client.ATTEMPTS}
    monkeypatch.setattr(client, "Config", lambda **options: make(**options | {"retries": retries}))
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda *_args, **_options: 0.01)
    faults.script.extend([BUSY, BUSY, OK])

    put()

    assert client.client("s3").meta.config.retries["mode"] == mode
    assert used() == attributed() == faults.billed == {"s3_tier1": 3}


@pytest.mark.parametrize("leasing", [False, True])
def test_counts_everything_that_can_go_wrong_at_once(
    leasing: bool, faults: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "READ_SECONDS", 0.2)
    faults.script.extend([BUSY, BUSY, OK])
    faults.script.extend([page("a", token="x"), page("b", token="y"), page("c")])
    faults.script.extend([s3_error(404, "NoSuchKey"), HANG, OK])

    with meter.leasing() if leasing else nullcontext():
        put()
        s3.list_buckets()
        assert s3.get_object("photos", "a.jpg") is None
        s3.head_object("photos", "a.jpg")

    assert len(faults.log) == 9
    assert used() == attributed() == faults.billed == {"s3_tier1": 6, "s3_tier2": 3}


def test_counts_each_part_of_an_upload(faults: FaultServer) -> None:
    begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    ended = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
    faults.script.extend([Answer(body=begun), OK, BUSY, OK, OK, Answer(body=ended)])
    s3_client, place = client.client("s3"), {"Bucket": "photos", "Key": "a.jpg"}

    upload = s3_client.create_multipart_upload(**place)["UploadId"]
    etags = [s3_client.upload_part(**place, UploadId=upload, PartNumber=n, Body=b"part")["ETag"] for n in (1, 2, 3)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3_client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})

    assert used() == attributed() == faults.billed == {"s3_tier1": 6}
