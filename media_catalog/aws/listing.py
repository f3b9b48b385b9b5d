"""What a bucket holds, a page at a time. One LIST for each page; keys as they are, whatever characters they have."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from media_catalog.exceptions import AwsUnavailable

from .client import call, client

MAX_KEYS = 1000  # of one page, by S3


@dataclass(frozen=True, kw_only=True)
class Listed:
    """`size` in bytes, `etag` without quotes."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """`folders` are prefixes that end with the delimiter. `token` asks for the next page; empty on the last."""

    folders: list[str]
    objects: list[Listed]
    token: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of an object, or a delete marker (`marker`, of 0 bytes). "null" is that of times without versioning.

    `etag` without quotes; markers have none, and no storage class.
    """

    key: str
    version: str
    latest: bool
    modified: datetime
    size: int = 0
    marker: bool = False
    etag: str = ""
    storage_class: str = ""


@dataclass(frozen=True, kw_only=True)
class VersionPage:
    """`after` asks for the next page: empty on the last."""

    versions: list[Version]
    after: dict[str, str] = field(default_factory=dict)


def list_page(bucket: str, *, prefix: str = "", token: str = "", delimiter: str = "", size: int = MAX_KEYS) -> Page:
    """Objects whose key begins with the prefix, in the order of their UTF-8; with a delimiter, grouped to folders."""
    options: dict[str, Any] = {"ContinuationToken": token} if token else {}
    with call(bucket=bucket):
        answer = client("s3").list_objects_v2(
            Bucket=bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=size, **options
        )
    return Page(
        folders=[group["Prefix"] for group in answer.get("CommonPrefixes", [])],
        objects=[
            Listed(
                key=entry["Key"],
                size=entry["Size"],
                etag=entry["ETag"].strip('"'),
                modified=entry["LastModified"],
                storage_class=entry.get("StorageClass", "STANDARD"),
            )
            for entry in answer.get("Contents", [])
        ],
        token=answer.get("NextContinuationToken", ""),
    )


def list_versions(
    bucket: str, *, prefix: str = "", after: dict[str, str] | None = None, size: int = MAX_KEYS
) -> VersionPage:
    """All versions and delete markers of keys that begin with the prefix; without versioning, the objects.

    Raises AwsUnavailable for an answer that does not say whether it is the last: what is not listed is taken for gone.
    """
    options: dict[str, Any] = dict(after or {})
    with call(bucket=bucket):
        answer = client("s3").list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=size, **options)
    kept = [_kept(entry) for entry in answer.get("Versions", [])]
    markers = [_version(entry, marker=True) for entry in answer.get("DeleteMarkers", [])]
    names = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
    following: Any = answer
    after = {name: following[theirs] for name, theirs in names.items() if following.get(theirs)}
    truncated = answer.get("IsTruncated")
    if truncated is None or (truncated and not after):
        raise AwsUnavailable(f"an incomplete list of {bucket}")
    return VersionPage(versions=kept + markers, after=after if truncated else {})


def _kept(entry: Any) -> Version:
    return _version(
        entry,
        size=entry["Size"],
        etag=entry.get("ETag", "").strip('"'),
        storage_class=entry.get("StorageClass", "STANDARD"),
    )


def _version(entry: Any, **fields: Any) -> Version:
    return Version(
        key=entry["Key"],
        version=entry["VersionId"],
        latest=entry["IsLatest"],
        modified=entry["LastModified"],
        **fields,
    )
