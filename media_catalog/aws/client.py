"""The one way to AWS: lazy clients, one per process and service, with the meter in front of the wire."""

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import mktime_tz, parsedate_tz
from typing import IO, TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from django.conf import settings

from media_catalog.exceptions import (
    AwsConflict,
    AwsDenied,
    AwsError,
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    BucketNotEmpty,
    ClockSkewed,
    DetectionRefused,
    ObjectUnreachable,
    SettingMissing,
)
from media_catalog.quota import meter, pace
from media_catalog.quota.attribution import attribute

from . import deadline

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_SECONDS = 3
READ_SECONDS = 15
ATTEMPTS = 3
CALL_SECONDS = 45  # a call with all its retries, and the body where there is one
PACED = frozenset({"rekognition"})  # limited to so many requests per second for the whole account
PATIENCE_SECONDS = 20  # to wait for the turn; then others should have the worker

_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "403",
}
_SKEWED = {"RequestTimeTooSkewed"}
# How other services begin what they say of it, under the code of any wrong signature.
_SKEWED_SIGNATURE = ("Signature expired", "Signature not yet current")
_SKEW_SECONDS = 15 * 60  # more, and S3 takes no signature
_NOT_FOUND = {
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "DBInstanceNotFound",
    "NoSuchBucket",
    "NoSuchKey",
    "NotFound",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}
_SETTING_MISSING = {
    "NoSuchCORSConfiguration",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
}
_CONFLICT = {
    "412",
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "ConditionalRequestConflict",
    "PreconditionFailed",
}
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "ThrottlingException",
    "TooManyRequestsException",
}
_UNAVAILABLE = {"RequestTimeout"}  # a 400 of S3: the body came too slowly
_UNREACHABLE = {"InvalidS3ObjectException"}
_REFUSED = {
    "ImageTooLargeException",
    "InvalidImageFormatException",
    "InvalidParameterException",
}
_ERRORS: list[tuple[set[str], type[AwsError]]] = [
    (_SKEWED, ClockSkewed),
    (_DENIED, AwsDenied),
    (_NOT_FOUND, AwsNotFound),
    (_SETTING_MISSING, SettingMissing),
    ({"BucketNotEmpty"}, BucketNotEmpty),
    (_CONFLICT, AwsConflict),
    (_THROTTLED, AwsThrottled),
    (_UNAVAILABLE, AwsUnavailable),
    (_UNREACHABLE, ObjectUnreachable),
    (_REFUSED, DetectionRefused),
]
# Nothing was sent for want of credentials; another try does not help before somebody acts, such as logs in again.
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

_clients: dict[tuple[int, str, str], Any] = {}
_lock = threading.Lock()


@overload
def client(service: Literal["s3"], region: str = "") -> "S3Client": ...
@overload
def client(service: Literal["rekognition"], region: str = "") -> "RekognitionClient": ...
@overload
def client(service: Literal["sqs"], region: str = "") -> "SQSClient": ...
@overload
def client(service: Literal["application-autoscaling", "logs", "rds", "sts"], region: str = "") -> Any: ...
def client(service: str, region: str = "") -> Any:
    """This process's client, in AWS_REGION unless told. Clients do not survive a fork: the key has the process id."""
    key = (os.getpid(), service, region or settings.AWS_REGION)
    with _lock:
        if key not in _clients:
            _clients[key] = _make(service, settings.AWS_ENDPOINT_URL, key[2])
        return _clients[key]


def client_for_browsers(region: str = "") -> "S3Client":
    """Makes links that a browser can use: it may reach the same S3 under another name. Sends nothing."""
    key = (os.getpid(), "s3 of browsers", region or settings.AWS_REGION)
    with _lock:
        if key not in _clients:
            endpoint = settings.AWS_BROWSER_ENDPOINT_URL or settings.AWS_ENDPOINT_URL
            _clients[key] = _make("s3", endpoint, key[2])
        found: S3Client = _clients[key]
        return found


@functools.cache
def regions() -> list[str]:
    """The regions that have S3, as the installed boto3 knows them. No request."""
    return sorted(boto3.session.Session().get_available_regions("s3"))


def forget_clients() -> None:
    """Make clients anew at their next use: after the endpoint or the credentials have changed."""
    with _lock:
        _clients.clear()


@contextmanager
def call(*, bucket: str = "", seconds: float = CALL_SECONDS) -> Iterator[None]:
    """Run client calls inside as one call of ours: attributed to the bucket, within the deadline, errors as ours."""
    with attribute(bucket=bucket), deadline.deadline(seconds):
        try:
            yield
        except ClientError as error:
            raise _translate(error) from error
        except _NO_CREDENTIALS as error:
            raise AwsDenied(str(error)) from error
        except ParamValidationError as error:  # nothing was sent, and another try would not help
            raise AwsError(str(error)) from error
        except BotoCoreError as error:
            raise AwsUnavailable(str(error)) from error


def metered_session() -> boto3.session.Session:
    """For libraries that make clients of their own, with `config_of(service)`."""
    session = boto3.session.Session()
    # before-send sees each wire attempt, retries and pages included; handlers must be there before the client.
    session.events.register("before-send", _before_send)
    return session


def config_of(service: str) -> Config:
    return Config(
        user_agent="backoffice",  # botocore's own, of many parts, is put together twice for each request
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # We send a SHA-256 where we have one; the default would send bodies aws-chunked with a trailer.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4" if service == "s3" else None,
        s3=_s3_config(),
    )


def _make(service: str, endpoint_url: str, region: str) -> Any:
    make: Callable[..., Any] = metered_session().client
    return make(service, region_name=region, endpoint_url=endpoint_url or None, config=config_of(service))


def _s3_config() -> Any:
    """Endpoints of the region, also in what is signed for browsers: the global one may answer 307, which they refuse
    to follow after a CORS preflight, and "auto" signs for that one.
    """
    if settings.AWS_ENDPOINT_URL:
        return {"addressing_style": "path"}
    return {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}


def _before_send(event_name: str, **kwargs: object) -> None:
    _event, service, operation = event_name.split(".")
    if service in PACED:
        _wait_for_turn(service)
    deadline.check()
    meter.spend(service, operation)


def _wait_for_turn(service: str) -> None:
    try:
        pace.wait(service, patience=PATIENCE_SECONDS)
    except pace.TooFarAhead as error:
        raise AwsThrottled("too many others wait") from error


def _translate(error: ClientError) -> AwsError:
    code = error.response["Error"].get("Code", "")
    if error.response["Error"].get("Message", "").startswith(_SKEWED_SIGNATURE) or _is_skewed_head(error, code):
        return ClockSkewed(str(error))
    for codes, ours in _ERRORS:
        if code in codes:
            return ours(str(error))
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    return AwsUnavailable(str(error)) if status >= 500 else AwsError(str(error))


def _is_skewed_head(error: ClientError, code: str) -> bool:
    """The answer to HEAD has no body, so its code is the status; but it says what time it is."""
    said = parsedate_tz(error.response["ResponseMetadata"].get("HTTPHeaders", {}).get("date", ""))
    return code == "403" and said is not None and abs(time.time() - mktime_tz(said)) > _SKEW_SECONDS


def timed(file: IO[bytes]) -> IO[bytes]:
    """The file, from its start, as a request body that keeps the deadline of the call."""
    file.seek(0)  # botocore rewinds there for a retry, so the first attempt must begin there too
    return deadline.TimedReader(file)  # type: ignore[return-value]
