"""What is done with one object: renditions of an upload of the API, or the thumbnail of an original.

The original stays where it is. Everything written carries marks in its metadata, so that our own output is known
again when it comes back as an event, a redelivery knows its own work, and the product what a thumbnail was made of.
"""

import io
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.apart import TooMuchWork
from media_catalog.imaging.probe import extension, probe
from media_catalog.imaging.renditions import Made, make
from media_catalog.s3_events import MADE_OF_UPLOAD, Created, is_for_renditions
from resizer.callback import Sender
from resizer.settings import Settings
from resizer.storage import Original, Storage, carried

PRESET, SOURCE_ETAG, WIDTH, HEIGHT = (f"backoffice-{name}" for name in ("preset", "source-etag", "width", "height"))
OUTPUT = "image/"
_HEX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """For the log. `result`: "done", "refused" (the image cannot be processed; final) or "ignored"."""

    result: str
    reason: str = ""
    renditions: Sequence[Mapping[str, Any]] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    callback: int | None = None


class Ignored(Exception):
    """There is nothing to do for this object."""


class Replaced(Exception):
    """The renditions that are there were made of another object under the same key."""


# Another try with the same object would end in the same way.
FINAL = (ImageRefused, MemoryError, Replaced, TooMuchWork)


class Resizer:
    """Takes one object after the other. `sender` is None when nobody wants to be told."""

    def __init__(self, settings: Settings, storage: Storage, sender: Sender | None) -> None:
        self._settings = settings
        self._storage = storage
        self._sender = sender

    def process(self, created: Created) -> Outcome:
        """Raises what may pass: faults of S3, CallbackFailed."""
        with self._storage.counting() as requests:
            try:
                if created.bucket not in self._settings.renditions:
                    raise Ignored("not a bucket that is served")
                hex_digits = self._upload(created)
                if hex_digits:
                    return self._process_upload(created, hex_digits, requests)
                return self._process_original(created, requests)
            except Ignored as ignored:
                return Outcome(result="ignored", reason=str(ignored), requests=requests)

    def _upload(self, created: Created) -> str:
        """The uuid of an upload of the API, in hex; empty for any other object."""
        rest = created.key.removeprefix(self._settings.temp_prefix)
        has_prefix = rest != created.key or not self._settings.temp_prefix
        bucket = self._settings.upload_bucket or created.bucket
        return rest if has_prefix and _HEX.fullmatch(rest) and created.bucket == bucket else ""

    def _process_upload(self, created: Created, hex_digits: str, requests: Counter[str]) -> Outcome:
        report: dict[str, Any] = {"report": uuid.uuid4().hex}
        try:
            report |= self._made_of_upload(created, hex_digits)
            outcome = Outcome(result="done", renditions=report["renditions"], requests=requests)
        except FINAL as error:
            report["error"] = _explained(error, self._settings.limits.formats)
            outcome = Outcome(result="refused", reason=_reason(error), requests=requests)
        report["requests"] = dict(requests)
        status = self._sender.send(hex_digits, report) if self._sender else None
        return replace(outcome, callback=status)

    def _made_of_upload(self, created: Created, hex_digits: str) -> dict[str, Any]:
        original = self._original(created)
        found = probe(io.BytesIO(original.body), limits=self._settings.limits)
        made = make(original.body, self._settings.presets, limits=self._settings.limits)
        written = [
            self._write_once(created, f"{OUTPUT}{hex_digits}_{each.slug}.{extension(each.format)}", each, original)
            for each in made
        ]
        return {
            "processed_key": written[0][0]["key"],
            "renditions": [described for described, _found in written],
            "found": sum(found for _described, found in written),
            "source": {
                "bucket": created.bucket,
                "key": created.key,
                "etag": original.etag,
                "size": len(original.body),
                "sha256": sha256(original.body).hexdigest(),
                "probe": asdict(found),
            },
        }

    def _process_original(self, created: Created, requests: Counter[str]) -> Outcome:
        if created.bucket == self._settings.renditions[created.bucket]:
            own = MADE_OF_UPLOAD.fullmatch(created.key)
            raise Ignored("own output" if own else "the thumbnail would replace its original")
        if is_for_renditions(created.key):
            raise Ignored("the thumbnail would replace a rendition")
        try:
            original = self._original(created)
            [thumbnail] = make(original.body, [self._settings.thumbnail], limits=self._settings.limits)
        except FINAL as error:
            return Outcome(result="refused", reason=_reason(error), requests=requests)
        etag = self._put(created, created.key, thumbnail, original, overwrite=True)
        return Outcome(result="done", renditions=[_described(created.key, thumbnail, etag)], requests=requests)

    def _original(self, created: Created) -> Original:
        original = self._storage.get(created.bucket, created.key, max_bytes=self._settings.limits.max_bytes)
        if original is None:
            raise Ignored("gone")
        if PRESET in original.metadata:
            raise Ignored("own output")
        return original

    def _write_once(self, created: Created, key: str, made: Made, original: Original) -> tuple[dict[str, Any], bool]:
        """What it is, and whether an earlier run has written it. Of another original it stays: this one is refused."""
        etag = self._put(created, key, made, original, overwrite=False)
        found = etag is None
        if found:
            etag, marks = self._storage.head(self._settings.renditions[created.bucket], key)
            if marks.get(SOURCE_ETAG) != original.etag:
                raise Replaced(key)
        return _described(key, made, etag), found

    def _put(self, created: Created, key: str, made: Made, original: Original, *, overwrite: bool) -> str | None:
        marks = {PRESET: made.slug, SOURCE_ETAG: original.etag, WIDTH: str(made.width), HEIGHT: str(made.height)}
        return self._storage.put(
            self._settings.renditions[created.bucket],
            key,
            made.body,
            content_type=made.content_type,
            metadata=carried(original.metadata, marks),
            overwrite=overwrite,
        )


def _explained(error: Exception, accepted: Sequence[str]) -> dict[str, Any]:
    """What the API is told of an error in FINAL."""
    if isinstance(error, ImageRefused):
        return error.as_reported(accepted)
    return {"code": _reason(error), "reason": "", "facts": {}}


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out_of_memory"
    if isinstance(error, TooMuchWork):
        return "too_much_work"
    return "replaced" if isinstance(error, Replaced) else str(error)


def _described(key: str, made: Made, etag: str | None) -> dict[str, Any]:
    return {
        "preset": made.slug,
        "key": key,
        "etag": etag,
        "size": len(made.body),
        "width": made.width,
        "height": made.height,
        "content_type": made.content_type,
    }
