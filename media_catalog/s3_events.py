"""What S3 says has happened: its event messages as facts. Pure; the worker and the Lambda share it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

KEY_BYTES = 1024  # of a key in UTF-8, at most, at S3
# Folders of a bucket that objects are moved to when they are deleted, or in doubt: what is written there is no arrival.
TRASH, QUARANTINE = ASIDE = ("trash/", "quarantine/")


@dataclass(frozen=True, kw_only=True)
class Created:
    """An object was written. `key` is decoded; `etag` is without quotes, empty when not told.

    By the time that this is read, there may be another object under the key, or none.
    """

    bucket: str
    key: str
    etag: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one message says: objects that were written, and why its other records are of no interest."""

    created: tuple[Created, ...] = ()
    ignored: tuple[str, ...] = ()


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
        ignored=tuple(fact for fact in facts if isinstance(fact, str)),
    )


def _fact(record: Any) -> Created | str:
    """What was written, or why the record does not matter."""
    if not isinstance(record, Mapping) or record.get("eventSource") != "aws:s3":
        return "unknown record"
    name = record.get("eventName")
    if not isinstance(name, str) or not name.startswith("ObjectCreated:"):
        return f"event {name}"[:80]
    try:
        bucket, object_ = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key, etag = unquote_plus(object_["key"], errors="strict"), object_.get("eTag", "")
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError):
        return "malformed record"
    if not isinstance(bucket, str) or not isinstance(etag, str) or not _is_usable(bucket, key):
        return "malformed record"
    if key.startswith(ASIDE):
        return "put aside"
    return Created(bucket=bucket, key=key, etag=etag)


def _is_usable(bucket: str, key: str) -> bool:
    """NUL is refused by PostgreSQL, and no bucket or key is empty or longer than S3 allows."""
    return bool(bucket and key) and "\x00" not in bucket + key and len(key.encode()) <= KEY_BYTES
