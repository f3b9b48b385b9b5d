"""The settings of the function, from its environment. README.md names them; a wrong one stops the start."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit

from media_catalog.imaging.values import Limits, Spec

MAX_PRESETS = 20  # renditions of one picture: each is held in memory until it is written
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SPEC_FIELDS = frozenset(field.name for field in fields(Spec)) - {"slug"}
_SPEC_DEFAULTS: Mapping[str, Any] = {
    "width": None,
    "height": None,
    "mode": "fit",
    "allow_upscale": False,
    "format": "source",
    "quality": 85,
}
DEFAULT_PRESETS = {
    "large": {"width": 1280, "height": 1280},
    "medium": {"width": 640, "height": 640},
    "small": {"width": 200, "height": 200},
}
THUMBNAIL = "thumbnail"


class SettingsError(ValueError):
    """A setting is missing or means nothing."""


@dataclass(frozen=True, kw_only=True)
class Callback:
    """Where and how to report. One of `secret` and `secret_arn` is set; `seconds` for each of the `attempts`."""

    url: str
    secret: str
    secret_arn: str
    seconds: float
    attempts: int

    def __repr__(self) -> str:
        return f"Callback(url={self.url!r})"  # the secret must not come into a log by accident


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`renditions` has, for each bucket that is served, the one for its renditions.

    `upload_bucket` is empty when uploads of the API may come from any of them; `callback` None when none is wanted.
    """

    renditions: Mapping[str, str]
    upload_bucket: str
    temp_prefix: str
    presets: tuple[Spec, ...]
    thumbnail: Spec
    limits: Limits
    callback: Callback | None


def read(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError, which names the setting."""
    return Settings(
        renditions=_renditions(environment),
        upload_bucket=environment.get("UPLOAD_BUCKET", ""),
        temp_prefix=environment.get("TEMP_PREFIX", "temp/"),
        presets=_presets(environment),
        thumbnail=_spec(THUMBNAIL, {"width": _number(environment, "THUMBNAIL_WIDTH", 200), "quality": 80}),
        limits=_limits(environment),
        callback=_callback(environment),
    )


def _renditions(environment: Mapping[str, str]) -> Mapping[str, str]:
    try:
        pairs = json.loads(environment.get("RENDITIONS_BUCKETS", ""))
    except ValueError:
        pairs = None
    if not isinstance(pairs, dict) or not pairs or not all(isinstance(name, str) and name for name in pairs.values()):
        raise SettingsError('RENDITIONS_BUCKETS must be an object such as {"mediafiles": "mediafilesresized"}')
    return pairs


def _presets(environment: Mapping[str, str]) -> tuple[Spec, ...]:
    try:
        chosen = json.loads(environment.get("PRESETS") or "null") or DEFAULT_PRESETS
    except ValueError as error:
        raise SettingsError(f"PRESETS is not JSON: {error}") from error
    if not isinstance(chosen, dict) or len(chosen) > MAX_PRESETS:
        raise SettingsError(f"PRESETS must be an object of at most {MAX_PRESETS} presets")
    specs = [_spec(slug, values) for slug, values in chosen.items()]
    if environment.get("BLUR", "").lower() in ("1", "true", "yes"):
        radius = _number(environment, "BLUR_RADIUS", 20)
        specs += [_checked(replace, spec, slug=f"{spec.slug}-blur", blur=radius) for spec in specs]
    return tuple(specs)


def _spec(slug: str, values: Any) -> Spec:
    if not _SLUG.fullmatch(slug):
        raise SettingsError(f"PRESETS: {slug!r} is no slug of a-z, 0-9 and -")
    if not isinstance(values, dict) or not values.keys() <= _SPEC_FIELDS:
        raise SettingsError(f"PRESETS: {slug} may have {', '.join(sorted(_SPEC_FIELDS))}")
    return _checked(Spec, slug=slug, **{**_SPEC_DEFAULTS, **values})


def _checked(make: Any, *args: Any, **values: Any) -> Spec:
    try:
        spec: Spec = make(*args, **values)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"PRESETS: {error}") from error
    return spec


def _limits(environment: Mapping[str, str]) -> Limits:
    max_bytes = _number(environment, "IMAGE_MAX_BYTES", 15 * 1024 * 1024)
    max_pixels = _number(environment, "IMAGE_MAX_PIXELS", 50_000_000)
    formats = (environment.get("IMAGE_FORMATS") or "JPEG,PNG,WEBP,GIF,AVIF,TIFF").split(",")
    try:
        return Limits(max_bytes=max_bytes, max_pixels=max_pixels, formats=tuple(name.strip() for name in formats))
    except ValueError as error:
        raise SettingsError(f"IMAGE_FORMATS: {error}") from error


def _callback(environment: Mapping[str, str]) -> Callback | None:
    url = environment.get("CALLBACK_URL", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise SettingsError("CALLBACK_URL must be an address such as https://backoffice.example/async_image/…/")
    secret, arn = environment.get("CALLBACK_SECRET", ""), environment.get("CALLBACK_SECRET_ARN", "")
    if bool(secret) == bool(arn):
        raise SettingsError("CALLBACK_URL needs either CALLBACK_SECRET or CALLBACK_SECRET_ARN")
    return Callback(
        url=url.rstrip("/") + "/",
        secret=secret,
        secret_arn=arn,
        seconds=_number(environment, "CALLBACK_SECONDS", 5),
        attempts=_number(environment, "CALLBACK_ATTEMPTS", 3),
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise SettingsError(f"{name} must be a whole number above 0, not {text!r}")
    return int(text)
