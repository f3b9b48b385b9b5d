"""What a key may be when staff name one, and which keys the web cannot carry."""

import re

from django.conf import settings

from media_catalog.exceptions import ObjectRefused
from media_catalog.s3_events import RESERVED_PREFIXES, is_for_renditions

MAX_BYTES = 1024  # of UTF-8, by S3
TEMP = "temp/"  # of what the API's clients are sending
# Clients and proxies drop or resolve these parts of a path, so a link to them leads elsewhere.
_LOST_IN_URLS = re.compile(r"^/|//|(^|/)\.\.?(/|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_new(key: str) -> None:
    """Raise ObjectRefused for a key under which nothing can, or may, be written. Odd but possible ones pass."""
    check_possible(key)
    if is_reserved(key):
        raise ObjectRefused("key_reserved")
    if is_for_renditions(key):
        raise ObjectRefused("key_of_rendition")


def check_possible(key: str) -> None:
    """Raise ObjectRefused for what is no key at S3."""
    if not key:
        raise ObjectRefused("key_empty")
    if "\x00" in key or _has_surrogates(key):
        raise ObjectRefused("key_characters")
    if len(key.encode()) > MAX_BYTES:
        raise ObjectRefused("key_too_long")


def is_reserved(key: str) -> bool:
    """Whether the product keeps the key for what it moves aside: staff reach that by pages of its own."""
    return key.startswith(RESERVED_PREFIXES)


def is_passing(key: str) -> bool:
    """Whether the catalogue need not know an object with this key."""
    return key.startswith(passing_prefixes())


def passing_prefixes() -> tuple[str, ...]:
    """Of objects that the catalogue need not know: those moved aside, and what the API's clients are sending."""
    return tuple({*RESERVED_PREFIXES, TEMP, settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH} - {""})


def is_linkable(key: str) -> bool:
    """Whether an expiring link to the object leads to it."""
    return not _LOST_IN_URLS.search(key)


def download_name(key: str) -> str:
    """The last part of a key as the name of a file: without control characters, never empty."""
    return _CONTROL.sub("-", key.rstrip("/").rsplit("/", 1)[-1]) or "object"


def visible(key: str) -> str:
    """The key for people's eyes: control characters as their pictures, so that no two keys look alike by them."""
    return _CONTROL.sub(lambda found: chr(0x2421 if found[0] == "\x7f" else 0x2400 + ord(found[0])), key)


def _has_surrogates(key: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in key)
