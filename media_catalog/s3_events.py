"""What S3 says has happened: its event messages as facts. Pure; the worker and the Lambda share it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

REMOVALS = ("ObjectRemoved:", "LifecycleExpiration:")
KEY_BYTES = 1024  # of a key in UTF-8, at most, at S3
# What the product itself moves aside within a bucket. S3 announces it like any other object, and it is nobody's.
TRASH, QUARANTINE = "trash/", "quarantine/"
RESERVED_PREFIXES = (TRASH, QUARANTINE)
# Keys of renditions: what the function makes of uploads of the API, and what services/keys.py says of presets.
MADE_OF_UPLOAD = re.compile(r"image/[0-9a-f]{32}_[a-z0-9-]+\.[a-z0-9]+")
_MADE_BY_PRESET = re.compile(r"[A-Za-z0-9_-]+/.+\.(?:[0-9a-f]{32}-)?[0-9a-f]{12}-v[0-9]+\.[a-z0-9]+", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Created:
    """An object was written. `key` is decoded; `etag` is without quotes, empty when not told.

    By the time that this is read, there may be another object under the key, or none.
    """

    bucket: str
    key: str
    etag: str


@dataclass(frozen=True, kw_only=True)
class Removed:
    """An object, or a version of it, was deleted, by whomever. `key` is decoded. There may be one again by now."""

    bucket: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one message says: objects written and deleted, and why its other records are of no interest."""

    created: tuple[Created, ...] = ()
    removed: tuple[Removed, ...] = ()
    ignored: tuple[str, ...] = ()


def is_for_renditions(key: str) -> bool:
    """Whether renditions may have this key. The thumbnail of an original, which has its very key, would replace one."""
    return bool(MADE_OF_UPLOAD.fullmatch(key) or _MADE_BY_PRESET.fullmatch(key))


def read(message: object) -> Message:
    """The facts of a decoded message of whatever content. Raises nothing: what is not understood is ignored."""
    if not isinstance(message, dict):
        return Message(ignored=("not an event",))
    if message.get("Event") == "s3:TestEvent":
        return Message(ignored=("test event",))
    records = message.get("Records")
    if not isinstance(records, list):
        return Message(ignored=("unknown event",))
    facts = [_fact(record) for record in records]
    return Message(
        created=tuple(fact for fact in facts if isinstance(fact, Created)),
        removed=tuple(fact for fact in facts if isinstance(fact, Removed)),
        ignored=tuple(fact for fact in facts if isinstance(fact, str)),
    )


def _fact(record: Any) -> Created | Removed | str:
    """What was written or deleted, or why the record does not matter."""
    if not isinstance(record, Mapping) or record.get("eventSource") != "aws:s3":
        return "unknown record"
    name = record.get("eventName")
    if not isinstance(name, str) or not name.startswith(("ObjectCreated:", *REMOVALS)):
        return f"event {name}"[:80]
    try:
        bucket, object_ = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key, etag = unquote_plus(object_["key"], errors="strict"), object_.get("eTag", "")
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError):
        return "malformed record"
    if not isinstance(bucket, str) or not isinstance(etag, str) or not _is_usable(bucket, key):
        return "malformed record"
    if key.startswith(RESERVED_PREFIXES):
        return "moved aside"
    return Removed(bucket=bucket, key=key) if name.startswith(REMOVALS) else Created(bucket=bucket, key=key, etag=etag)


def _is_usable(bucket: str, key: str) -> bool:
    """NUL is refused by PostgreSQL, and no bucket or key is empty or longer than S3 allows."""
    return bool(bucket and key) and "\x00" not in bucket + key and len(key.encode()) <= KEY_BYTES
