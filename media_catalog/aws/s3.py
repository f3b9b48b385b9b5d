"""S3 in our words. A missing object is an answer (None); faults are exceptions of `media_catalog.exceptions`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from media_catalog.exceptions import AwsError, AwsNotFound

from . import deadline
from .client import call, client, timed

LISTED_BUCKETS = 1000  # of one page
ANNOUNCEMENT, DELETIONS = "backoffice", "backoffice-deletions"  # our entries among a bucket's notifications
_WRITTEN, _DELETED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


@dataclass(frozen=True, kw_only=True)
class BucketInfo:
    name: str
    created_at: datetime | None
    region: str


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """`etag` without quotes, `size` in bytes, `sha256` of the content where S3 keeps one.

    `metadata` is what a HEAD tells of it, names in lower case without `x-amz-meta-`. `modified_at` by the clock of S3.
    """

    etag: str
    size: int
    content_type: str
    sha256: bytes | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class ObjectContent(ObjectInfo):
    body: bytes


class ObjectTooLarge(AwsError):
    """The object has `size` bytes, more than asked for; it was not read. `modified_at` where that was asked."""

    def __init__(self, size: int, modified_at: datetime | None = None) -> None:
        super().__init__(f"{size} bytes")
        self.size = size
        self.modified_at = modified_at


def list_buckets() -> list[BucketInfo]:
    """All buckets of the account. One LIST for each LISTED_BUCKETS."""
    found = []
    with call():
        for page in client("s3").get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": LISTED_BUCKETS}):
            found += [
                BucketInfo(
                    name=bucket["Name"],
                    created_at=bucket.get("CreationDate"),
                    region=bucket.get("BucketRegion", ""),
                )
                for bucket in page.get("Buckets", [])
            ]
    return found


def bucket_exists(bucket: str) -> bool:
    """Whether we can reach the bucket. One HEAD; AwsDenied when it belongs to somebody else."""
    try:
        with call(bucket=bucket):
            client("s3").head_bucket(Bucket=bucket)
    except AwsNotFound:
        return False
    return True


def create_bucket(bucket: str, *, region: str) -> None:
    """Create it in the region; AwsConflict when the name is taken."""
    # us-east-1 is the one region that must not be named.
    place: dict[str, Any] = (
        {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    with call(bucket=bucket):
        client("s3", region).create_bucket(Bucket=bucket, **place)


def announce_to(bucket: str, *, written: str | None, deleted: str | None = None) -> bool:
    """Have S3 announce objects of the bucket to queues (ARN), and nowhere else (None: nowhere) in our name.

    What others have configured stays. Where it has deletions announced we do without, as S3 allows it only once. One
    GET, and one PUT when that changes something; whether it did.
    """
    wanted = [(ANNOUNCEMENT, written, _WRITTEN), (DELETIONS, deleted, _DELETED)]
    with call(bucket=bucket):
        current: dict[str, Any] = dict(client("s3").get_bucket_notification_configuration(Bucket=bucket))
        del current["ResponseMetadata"]
        queues = current.get("QueueConfigurations", [])
        theirs = _events_of_others(current)
        ours = [
            {"Id": name, "QueueArn": queue, "Events": [event]}
            for name, queue, event in wanted
            if queue and not (event == _DELETED and any(each.startswith("s3:ObjectRemoved:") for each in theirs))
        ]
        held = {queue["Id"]: queue for queue in queues if queue["Id"] in (ANNOUNCEMENT, DELETIONS)}
        if held == {queue["Id"]: queue for queue in ours}:
            return False
        others = [queue for queue in queues if queue["Id"] not in held]
        changed: Any = {**current, "QueueConfigurations": [*others, *ours]}
        client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=changed)
    return True


def _events_of_others(configuration: Mapping[str, Any]) -> list[str]:
    kinds = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
    entries = [entry for kind in kinds for entry in configuration.get(kind, [])]
    return [event for entry in entries if entry.get("Id") not in (ANNOUNCEMENT, DELETIONS) for event in entry["Events"]]


def put_object(
    bucket: str,
    key: str,
    body: IO[bytes] | bytes,
    *,
    content_type: str,
    sha256: bytes | None = None,
    overwrite: bool = False,
    cache_control: str = "",
) -> str:
    """Write an object and return its ETag. One PUT, streamed when the body is a file.

    Without `overwrite` an existing object wins and AwsConflict is raised. `sha256` is the digest of the body, which
    S3 then checks.
    """
    options: dict[str, Any] = {"ContentType": content_type}
    if sha256:
        options["ChecksumSHA256"] = base64.b64encode(sha256).decode()
    if not overwrite:
        options["IfNoneMatch"] = "*"
    if cache_control:
        options["CacheControl"] = cache_control
    # botocore makes a file of bytes, and of a file it asks S3 before whether it wants it, and sends 16 KB at a time.
    content: Any = bytearray(body) if isinstance(body, bytes) else timed(body)
    with call(bucket=bucket):
        answer = client("s3").put_object(Bucket=bucket, Key=key, Body=content, **options)
    return answer["ETag"].strip('"')


def get_object(bucket: str, key: str, *, max_bytes: int | None = None) -> ObjectContent | None:
    """The object with its bytes, or None when there is none. One GET.

    One above `max_bytes` is not read but raises ObjectTooLarge, whoever wrote it there: bytes go to memory.
    """
    try:
        with call(bucket=bucket):
            answer = client("s3").get_object(Bucket=bucket, Key=key)
            if max_bytes is not None and answer["ContentLength"] > max_bytes:
                answer["Body"].close()
                raise ObjectTooLarge(answer["ContentLength"])
            body = deadline.read_all(answer["Body"])
    except AwsNotFound:
        return None
    return ObjectContent(
        etag=answer["ETag"].strip('"'),
        size=len(body),
        content_type=answer.get("ContentType", ""),
        body=body,
    )


def copy_object(bucket: str, key: str, file: IO[bytes], *, max_bytes: int) -> ObjectInfo | None:
    """Write the object's bytes to a file, or answer None when there is none. One GET; bytes go not to memory.

    One above `max_bytes` is not read but raises ObjectTooLarge.
    """
    try:
        with call(bucket=bucket):
            answer = client("s3").get_object(Bucket=bucket, Key=key)
            if answer["ContentLength"] > max_bytes:
                answer["Body"].close()
                raise ObjectTooLarge(answer["ContentLength"], answer.get("LastModified"))
            for piece in deadline.pieces(answer["Body"]):
                file.write(piece)
    except AwsNotFound:
        return None
    return ObjectInfo(
        etag=answer["ETag"].strip('"'),
        size=answer["ContentLength"],
        content_type=answer.get("ContentType", ""),
        modified_at=answer.get("LastModified"),
    )


def head_object(bucket: str, key: str) -> ObjectInfo | None:
    """What S3 knows of the object, or None when there is none. One HEAD."""
    try:
        with call(bucket=bucket):
            answer = client("s3").head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except AwsNotFound:
        return None
    checksum = answer.get("ChecksumSHA256", "")
    whole = checksum and "-" not in checksum  # "…-3" is the checksum of the checksums of three parts
    return ObjectInfo(
        etag=answer["ETag"].strip('"'),
        size=answer["ContentLength"],
        content_type=answer.get("ContentType", ""),
        sha256=base64.b64decode(checksum) if whole else None,
        metadata=answer.get("Metadata", {}),
        modified_at=answer.get("LastModified"),
    )


def delete_exactly(bucket: str, key: str, *, etag: str) -> None:
    """Delete the object if it has this ETag. One DELETE; AwsConflict for another object, AwsNotFound for none."""
    with call(bucket=bucket):
        client("s3").delete_object(Bucket=bucket, Key=key, IfMatch=f'"{etag}"')


def delete_object(bucket: str, key: str) -> None:
    """Delete the object; one that is not there is fine."""
    with call(bucket=bucket):
        client("s3").delete_object(Bucket=bucket, Key=key)
