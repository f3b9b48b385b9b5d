"""Each fault of AWS and of the network reaches the caller as one of our exceptions."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import botocore.exceptions
import pytest

from media_catalog.aws import presign, rekognition, s3
from media_catalog.aws.client import call
from media_catalog.exceptions import (
    AwsConflict,
    AwsDenied,
    AwsError,
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    ClockSkewed,
    DetectionRefused,
    ObjectUnreachable,
)
from tests.quota.ledger import used

from .conftest import PointAt
from .faults import RESET, Answer, FaultServer, rekognition_error, s3_error

pytestmark = pytest.mark.django_db


def put() -> str:
    return s3.put_object("photos", "a.jpg", b"bytes", content_type="image/jpeg")


@pytest.mark.parametrize(
    ("status", "code", "expected", "attempts"),
    [
        (403, "AccessDenied", AwsDenied, 1),
        (403, "InvalidAccessKeyId", AwsDenied, 1),
        (403, "SignatureDoesNotMatch", AwsDenied, 1),
        (403, "RequestTimeTooSkewed", ClockSkewed, 1),
        (400, "ExpiredToken", AwsDenied, 1),
        (400, "InvalidToken", AwsDenied, 1),
        (404, "NoSuchBucket", AwsNotFound, 1),
        (412, "PreconditionFailed", AwsConflict, 1),
        (409, "ConditionalRequestConflict", AwsConflict, 1),
        (503, "SlowDown", AwsThrottled, 3),
        (500, "InternalError", AwsUnavailable, 3),
        (503, "ServiceUnavailable", AwsUnavailable, 3),
        (400, "RequestTimeout", AwsUnavailable, 3),
        (400, "EntityTooLarge", AwsError, 1),
    ],
)
def test_of_s3(status: int, code: str, expected: type[AwsError], attempts: int, faults: FaultServer) -> None:
    faults.script.extend([s3_error(status, code)] * attempts)

    with pytest.raises(AwsError) as caught:
        put()

    assert type(caught.value) is expected
    assert code in str(caught.value)
    assert used() == faults.billed == {"s3_tier1": attempts}


@pytest.mark.parametrize(
    ("status", "expected", "attempts"), [(403, AwsDenied, 1), (500, AwsUnavailable, 3), (400, AwsError, 1)]
)
def test_of_s3_without_a_body(status: int, expected: type[AwsError], attempts: int, faults: FaultServer) -> None:
    """The answer to HEAD has none, so there is no code to go by."""
    faults.script.extend([Answer(status=status)] * attempts)

    with pytest.raises(AwsError) as caught:
        s3.head_object("photos", "a.jpg")

    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("minutes", "expected"), [(-16, ClockSkewed), (16, ClockSkewed), (14, AwsDenied), (None, AwsDenied)]
)
def test_of_a_clock_that_is_wrong_at_head(minutes: int | None, expected: type[AwsError], faults: FaultServer) -> None:
    """There is no code, but the time of the answer."""
    now = datetime.now(UTC)
    date = "nonsense" if minutes is None else format_datetime(now + timedelta(minutes=minutes), usegmt=True)
    faults.script.append(Answer(status=403, headers={"Date": date}))

    with pytest.raises(AwsError) as caught:
        s3.head_object("photos", "a.jpg")

    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "code", "expected", "attempts"),
    [
        (400, "InvalidImageFormatException", DetectionRefused, 1),
        (400, "ImageTooLargeException", DetectionRefused, 1),
        (400, "InvalidS3ObjectException", ObjectUnreachable, 1),
        (400, "InvalidParameterException", DetectionRefused, 1),
        (400, "AccessDeniedException", AwsDenied, 1),
        (400, "UnrecognizedClientException", AwsDenied, 1),
        (400, "ThrottlingException", AwsThrottled, 3),
        (400, "ProvisionedThroughputExceededException", AwsThrottled, 3),
        (500, "InternalServerError", AwsUnavailable, 3),
    ],
)
def test_of_rekognition(status: int, code: str, expected: type[AwsError], attempts: int, faults: FaultServer) -> None:
    faults.script.extend([rekognition_error(status, code)] * attempts)

    with pytest.raises(AwsError) as caught:
        rekognition.detect_faces("photos", "a.jpg")

    assert type(caught.value) is expected
    assert used() == faults.billed == {"rekognition_image": attempts}


@pytest.mark.parametrize("said", ["Signature expired: 20261120T120000Z is now earlier", "Signature not yet current: 2"])
def test_of_a_clock_that_is_wrong_at_rekognition(said: str, faults: FaultServer) -> None:
    """Its code is that of any wrong signature."""
    faults.script.append(rekognition_error(400, "InvalidSignatureException", said))

    with pytest.raises(ClockSkewed):
        rekognition.detect_faces("photos", "a.jpg")


def test_of_connections_that_break(faults: FaultServer) -> None:
    faults.script.extend([RESET] * 3)

    with pytest.raises(AwsUnavailable):
        put()


def test_of_a_server_that_is_not_there(point_at: PointAt) -> None:
    point_at("http://127.0.0.1:1")

    with pytest.raises(AwsUnavailable):
        put()


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_of_credentials_that_are_missing(missing: str, faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing)

    with pytest.raises(AwsDenied):
        put()
    with pytest.raises(AwsDenied):
        presign.download_link("photos", "a.jpg", disposition="attachment", content_type="image/jpeg", seconds=60)

    assert not faults.log
    assert used() == {}


@pytest.mark.parametrize(
    "profile",
    [
        "credential_process = false",
        "sso_start_url = https://sso.invalid/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r",
    ],
)
def test_of_credentials_that_cannot_be_had(
    profile: str, faults: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A helper that fails; a login that was never made. Trying again in a moment would not help."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[default]\n{profile}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    with pytest.raises(AwsDenied):
        put()

    assert not faults.log
    assert used() == {}


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.UnauthorizedSSOTokenError(),
        botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
        botocore.exceptions.LoginRefreshRequired(),
        botocore.exceptions.NoAuthTokenError(),
    ],
)
def test_of_logins_that_have_expired(error: botocore.exceptions.BotoCoreError) -> None:
    """What botocore raises once AWS's sign-in service, which is not stood in for here, has refused."""
    with pytest.raises(AwsDenied), call():
        raise error


def test_what_is_not_there_is_an_answer(faults: FaultServer) -> None:
    faults.script.extend([s3_error(404, "NoSuchKey"), Answer(status=404), Answer(status=404), Answer(status=204)])

    assert s3.get_object("photos", "a.jpg") is None
    assert s3.head_object("photos", "a.jpg") is None
    assert not s3.bucket_exists("photos")
    s3.delete_object("photos", "a.jpg")
