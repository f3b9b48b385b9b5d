"""Objects as staff handle them one by one or by the page: details, streams, copies, deletion by the thousand."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody

from media_catalog.exceptions import AwsConflict, AwsDenied, AwsError, AwsNotFound, AwsUnavailable

from .client import call, client

MAX_DELETE = 1000  # keys of one DeleteObjects, by S3
MAX_COPY_BYTES = 5 * 1024**3  # of one CopyObject, by S3
CHUNK_BYTES = 256 * 1024
_NOT_IN_XML = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # https://www.w3.org/TR/xml/#charsets


@dataclass(frozen=True, kw_only=True)
class Details:
    """What HEAD tells. `size` in bytes; `version` is empty without versioning; `metadata`: the x-amz-meta- fields."""

    etag: str
    size: int
    content_type: str
    modified: datetime
    storage_class: str
    encryption: str
    cache_control: str
    version: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An object as it comes. Whoever does not read `chunks` to their end must `close` it."""

    size: int
    content_type: str
    chunks: Iterator[bytes]
    close: Callable[[], None]


def get_details(bucket: str, key: str) -> Details | None:
    """What S3 knows of the object, or None when there is none. One HEAD."""
    try:
        with call(bucket=bucket):
            answer = client("s3").head_object(Bucket=bucket, Key=key)
    except AwsNotFound:
        return None
    return Details(
        etag=answer["ETag"].strip('"'),
        size=answer["ContentLength"],
        content_type=answer.get("ContentType", ""),
        modified=answer["LastModified"],
        storage_class=answer.get("StorageClass", "STANDARD"),
        encryption=answer.get("ServerSideEncryption", ""),
        cache_control=answer.get("CacheControl", ""),
        version=answer.get("VersionId", ""),
        metadata=answer.get("Metadata", {}),
    )


def open_stream(bucket: str, key: str) -> Stream | None:
    """The object's bytes in pieces, or None when there is none. One GET."""
    try:
        with call(bucket=bucket):
            answer = client("s3").get_object(Bucket=bucket, Key=key)
    except AwsNotFound:
        return None
    body = answer["Body"]
    return Stream(
        size=answer["ContentLength"],
        content_type=answer.get("ContentType", ""),
        chunks=_chunks(body),
        close=body.close,
    )


def _chunks(body: StreamingBody) -> Iterator[bytes]:
    """Raises AwsUnavailable when the answer breaks off."""
    try:
        with body:
            yield from body.iter_chunks(CHUNK_BYTES)
    except BotoCoreError as error:
        raise AwsUnavailable(str(error)) from error


def copy_object(bucket: str, key: str, *, to_bucket: str, to_key: str, only: str = "", replace: bool = False) -> str:
    """Copy the object with its metadata, and return the ETag of the copy. One COPY.

    Unless it is to `replace` what is there, an object that is there wins, AwsConflict, at servers that know conditional
    copies: ask with HEAD before. With `only`, an ETag, the copy is made of that very object, AwsConflict otherwise.
    """
    condition: Any = {"CopySourceIfMatch": f'"{only}"'} if only else {}
    if not replace:
        condition["IfNoneMatch"] = "*"
    with call(bucket=to_bucket):
        answer = client("s3").copy_object(
            Bucket=to_bucket, Key=to_key, CopySource={"Bucket": bucket, "Key": key}, **condition
        )
    return answer["CopyObjectResult"]["ETag"].strip('"')


def delete_objects(bucket: str, keys: Sequence[tuple[str, str]]) -> None:
    """`try_to_delete`, but raises as `check_deleted` does."""
    check_deleted(try_to_delete(bucket, keys))


def check_deleted(failed: Mapping[str, str]) -> None:
    """Raise AwsDenied or AwsError naming the first key that S3 did not delete, by what `try_to_delete` returned."""
    if failed:
        key, code = next(iter(failed.items()))
        ours = AwsDenied if code == DENIED else AwsError
        raise ours(f"{len(failed)} not deleted, the first: {key} ({code})")


def try_to_delete(bucket: str, keys: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Delete each (key, version); an empty version is the object itself. What is not there is fine.

    One request for each 1,000, and a DELETE, free of charge, for each that `goes_alone` and for a single one that is
    left. Returns S3's error code for each key that it did not delete.
    """
    together = [each for each in keys if not goes_alone(each[0])]
    alone = [each for each in keys if goes_alone(each[0])]
    if len(together) % MAX_DELETE == 1:
        alone.append(together.pop())
    failed = {key: DENIED for key, version in alone if not _delete_one(bucket, key, version)}
    for start in range(0, len(together), MAX_DELETE):
        failed |= _delete_together(bucket, together[start : start + MAX_DELETE])
    return failed


def goes_alone(key: str) -> bool:
    """Whether a request of its own deletes the key, as XML cannot carry it."""
    return bool(_NOT_IN_XML.search(key))


DENIED = "AccessDenied"
_GONE = {"NoSuchKey", "NoSuchVersion"}


def _delete_one(bucket: str, key: str, version: str) -> bool:
    """Whether S3 allows it."""
    try:
        with call(bucket=bucket):
            client("s3").delete_object(Bucket=bucket, **_identifier(key, version))
    except AwsDenied:
        return False
    return True


def _delete_together(bucket: str, keys: Sequence[tuple[str, str]]) -> dict[str, str]:
    listed = [_identifier(key, version) for key, version in keys]
    with call(bucket=bucket):
        answer = client("s3").delete_objects(Bucket=bucket, Delete={"Objects": listed, "Quiet": True})
    errors = {error.get("Key", ""): error.get("Code", "") for error in answer.get("Errors", [])}
    return {key: code for key, code in errors.items() if code not in _GONE}


def _identifier(key: str, version: str) -> Any:
    return {"Key": key, "VersionId": version} if version else {"Key": key}


def delete_bucket(bucket: str) -> None:
    """Delete an empty bucket; BucketNotEmpty otherwise. One DELETE."""
    with call(bucket=bucket):
        client("s3").delete_bucket(Bucket=bucket)


def probe_write(bucket: str, key: str) -> None:
    """Begin a multipart upload and abort it, which leaves nothing: AwsDenied when we may not. One POST, one DELETE."""
    with call(bucket=bucket):
        begun = client("s3").create_multipart_upload(Bucket=bucket, Key=key)
        client("s3").abort_multipart_upload(Bucket=bucket, Key=key, UploadId=begun["UploadId"])


def probe_delete(bucket: str, key: str) -> None:
    """Delete a key that nobody has, on a condition that none meets: AwsDenied when we may not. One DELETE.

    Without the condition it would leave a delete marker where versions are, or were, kept. With it S3 says 404 to
    whoever may delete and read: https://github.com/ministackorg/ministack/issues/1475 has it measured.
    """
    with suppress(AwsNotFound, AwsConflict), call(bucket=bucket):
        client("s3").delete_object(Bucket=bucket, Key=key, IfMatch=f'"{"0" * 32}"')


def probe_delete_version(bucket: str, key: str) -> None:
    """Delete a version of a key that nobody has, which leaves nothing. AwsDenied when we may not. One DELETE."""
    with call(bucket=bucket):
        client("s3").delete_object(Bucket=bucket, Key=key, VersionId="null")
