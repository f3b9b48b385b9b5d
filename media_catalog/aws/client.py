"""The one way to AWS: lazy clients, one per process and service, with the meter in front of the wire."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    DetectionRefused,
    ObjectUnreachable,
)
from media_catalog.quota import meter, pace
from media_catalog.quota.attribution import attribute

from . import deadline

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

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
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "403",
}
_NOT_FOUND = {
    "404",
    "DBInstanceNotFound",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchPublicAccessBlockConfiguration",
    "NotFound",
    "ResourceNotFoundException",
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
    (_DENIED, AwsDenied),
    (_NOT_FOUND, AwsNotFound),
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

_clients: dict[tuple[int, str], Any] = {}
_lock = threading.Lock()


@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["rekognition"]) -> "RekognitionClient": ...
@overload
def client(service: Literal["application-autoscaling", "logs", "rds", "sts"]) -> Any: ...
def client(service: str) -> Any:
    """This process's client. Clients do not survive a fork, so the process id is part of the key."""
    key = (os.getpid(), service)
    with _lock:
        if key not in _clients:
            _clients[key] = _make(service, settings.AWS_ENDPOINT_URL)
        return _clients[key]


def client_for_browsers() -> "S3Client":
    """Makes links that a browser can use: it may reach the same S3 under another name. Sends nothing."""
    key = (os.getpid(), "s3 of browsers")
    with _lock:
        if key not in _clients:
            _clients[key] = _make("s3", settings.AWS_BROWSER_ENDPOINT_URL or settings.AWS_ENDPOINT_URL)
        found: S3Client = _clients[key]
        return found


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
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # We send a SHA-256 where we have one; the default would send bodies aws-chunked with a trailer.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "path" if settings.AWS_ENDPOINT_URL else "auto"},
    )


def _make(service: str, endpoint_url: str) -> Any:
    make: Callable[..., Any] = metered_session().client
    config = config_of(service)
    return make(service, region_name=settings.AWS_REGION, endpoint_url=endpoint_url or None, config=config)


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
    for codes, ours in _ERRORS:
        if code in codes:
            return ours(str(error))
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    return AwsUnavailable(str(error)) if status >= 500 else AwsError(str(error))


def timed(file: IO[bytes]) -> IO[bytes]:
    """The file, from its start, as a request body that keeps the deadline of the call."""
    file.seek(0)  # botocore rewinds there for a retry, so the first attempt must begin there too
    return deadline.TimedReader(file)  # type: ignore[return-value]
