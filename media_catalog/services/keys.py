"""Object keys: how names become keys, and where renditions go."""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterator

from media_catalog.models import Preset

from .object_keys import MAX_BYTES

MAX_NAME = 120  # characters of a part; with MAX_FOLDER keeps every key below S3's 1,024 bytes of UTF-8
MAX_FOLDER = 60
MAX_EXTENSION = 10
_UNSAFE = re.compile(r"[^\w.\-]+", re.UNICODE)


def clean_name(name: str, *, extension: str) -> str:
    """A safe last part of a key from a user's file name: no path, no control or odd characters, never empty.

    Letters and digits of any script stay. The extension is that of what the file really is.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = base.rsplit(".", 1)[0] if "." in base else base
    return f"{_clean(stem) or 'image'}.{extension}"


def own_name(name: str, *, digits: str, extension: str) -> str:
    """As `clean_name`, with eight of the random hex digits: what nobody else has, in or out of the catalogue."""
    stem = clean_name(name, extension="").removesuffix(".")
    return f"{stem}-{digits[:8]}.{extension}"


def clean_extension(name: str) -> str:
    """The ending of a file's name, in small letters, without the dot; empty when it has none that is usable."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    ending = _UNSAFE.sub("", last.rpartition(".")[2]).lower() if "." in last else ""
    return ending if ending.isalnum() and len(ending) <= MAX_EXTENSION else ""


def clean_folder(folder: str) -> str:
    """A safe prefix of a key from what a user typed: each part cleaned, empty ones and `..` left out."""
    parts = (_clean(part) for part in folder.replace("\\", "/").split("/"))
    return "/".join(part for part in parts if part)


def _clean(text: str) -> str:
    cleaned = _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip("-._")
    return cleaned[:MAX_NAME].rstrip("-._")


def candidates(key: str) -> Iterator[str]:
    """The key itself, then with suffixes: `photo.jpg`, `photo-2.jpg` … `photo-9.jpg`, then random ones."""
    stem, _dot, extension = key.rpartition(".")
    yield key
    for number in range(2, 10):
        yield f"{stem}-{number}.{extension}"
    for _attempt in range(3):
        yield f"{stem}-{secrets.token_hex(4)}.{extension}"


def beside(key: str) -> Iterator[str]:
    """Any key itself, then others beside it for when that is taken, none longer than S3 allows."""
    folder, slash, last = key.rpartition("/")
    stem, dot, ending = last.rpartition(".")
    if not stem or len(ending) > MAX_EXTENSION:
        stem, dot, ending = last, "", ""
    yield key
    for suffix in [*(f"-{number}" for number in range(2, 10)), *(f"-{secrets.token_hex(4)}" for _attempt in range(3))]:
        tail = f"{suffix}{dot}{ending}"
        yield _shortened(f"{folder}{slash}{stem}", tail)


def rendition_key(*, preset: str, version: int, key: str, etag: str, extension: str) -> str:
    """Where a rendition is written in the renditions bucket.

    The thumbnail has the key of its original and is replaced with it. All others name their source and preset
    version, so a key is written once and can be cached for ever. Where that would be longer than S3 allows, digits
    stand for the end of the source's key, and a hyphen for the dot before the ETag: no other source has such a key.

    `s3_events.is_for_renditions` knows both forms.
    """
    if not is_immutable(preset):
        return key
    ending = f"{etag[:12]}-v{version}.{extension}"
    whole = f"{preset}/{key}.{ending}"
    if len(whole.encode()) <= MAX_BYTES:
        return whole
    return _shortened(f"{preset}/{key}", f".{digits_of(key)}-{ending}")


def digits_of(key: str) -> str:
    """The 32 hex digits that stand for a key which is too long for that of a rendition."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _shortened(beginning: str, end: str) -> str:
    """Both as one key, and of the beginning as much as S3 allows, in whole characters."""
    room = MAX_BYTES - len(end.encode())
    return beginning.encode()[:room].decode(errors="ignore") + end


def is_immutable(preset: str) -> bool:
    """Whether the preset's keys are written once only."""
    return preset != Preset.THUMBNAIL
