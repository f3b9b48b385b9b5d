"""S3 as the function needs it. Every attempt on the wire is counted by price class: AWS bills attempts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.header import Header
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from media_catalog.exceptions import ImageRefused

TIER1, TIER2 = "s3_tier1", "s3_tier2"  # the product's names of S3's price classes
METADATA_BYTES = 2048  # names and values together, at S3
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 3},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    signature_version="s3v4",
)


@dataclass(frozen=True, kw_only=True)
class Original:
    """`etag` without quotes. `metadata` has names in lower case, without `x-amz-meta-`."""

    body: bytes
    etag: str
    metadata: Mapping[str, str]


class Storage:
    """One for each process: its connections are used again by the next invocation."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        session = boto3.session.Session()
        session.events.register("before-send", self._count)
        self._client: Any = session.client("s3", config=_CONFIG)

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Requests sent inside, per price class."""
        self._requests = Counter()
        yield self._requests

    def get(self, bucket: str, key: str, *, max_bytes: int) -> Original | None:
        """The object, None when there is none. One that is too large is not read: ImageRefused."""
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "404"):
                return None
            raise
        with answer["Body"] as body:
            if answer["ContentLength"] > max_bytes:
                raise ImageRefused("too_many_bytes", size=answer["ContentLength"], limit=max_bytes)
            return Original(body=body.read(), etag=answer["ETag"].strip('"'), metadata=answer["Metadata"])

    def put(
        self, bucket: str, key: str, body: bytes, *, content_type: str, metadata: Mapping[str, str], overwrite: bool
    ) -> str | None:
        """The ETag of the object written; None when there is one already and it may not be overwritten."""
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        try:
            answer = self._client.put_object(
                Bucket=bucket, Key=key, Body=body, ContentType=content_type, Metadata=dict(metadata), **condition
            )
        except ClientError as error:
            if _code(error) in ("PreconditionFailed", "412"):
                return None
            raise
        return str(answer["ETag"]).strip('"')

    def head(self, bucket: str, key: str) -> tuple[str, Mapping[str, str]]:
        """ETag and metadata of an object that is there."""
        answer = self._client.head_object(Bucket=bucket, Key=key)
        return answer["ETag"].strip('"'), answer["Metadata"]

    def _count(self, event_name: str, **_request: object) -> None:
        self._requests[TIER1 if event_name.endswith(".PutObject") else TIER2] += 1


def carried(metadata: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Ours, and as much of an original's metadata as S3 takes with it. Values in ASCII, as its headers must be."""
    result = dict(ours)
    room = METADATA_BYTES - sum(len(name) + len(value) for name, value in ours.items())
    for name, value in metadata.items():
        encoded = value if value.isascii() else Header(value, "utf-8", maxlinelen=METADATA_BYTES).encode()
        if name not in ours and len(name) + len(encoded) <= room:
            result[name] = encoded
            room -= len(name) + len(encoded)
    return result


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))
