"""Making the renditions of an image: one GET, one decode, one PUT for each."""

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import Exists, Subquery
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound, BackofficeError, ImageRefused, ObjectRefused
from media_catalog.imaging.formats import content_type, extension, rendered_as
from media_catalog.imaging.geometry import Target
from media_catalog.imaging.renditions import Limits, Made, Spec, target_size
from media_catalog.models import Bucket, Image, Leftover, Preset, Rendition, RequestClass
from media_catalog.s3_events import is_for_renditions
from media_catalog.statements import alone

from . import decoding, handover, keys, previews, removal
from .limits import image_limits

logger = logging.getLogger(__name__)
SHOWN = (Preset.THUMBNAIL, Preset.PREVIEW)
SHOWN_UP_TO = 1280  # pixels wide, as the shipped preview: others that show all of the image, on screens that they suit
FOREVER = "private, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The original's bytes, or a file with them, and the ETag under which S3 holds them."""

    body: bytes | BinaryIO
    etag: str


def missing_presets(image: Image) -> list[Preset]:
    """Active presets of which the image, as it was loaded, has no current rendition."""
    return _missing(image, _held(image))


def make(*, image: Image, stale_of: int | None = None) -> int:
    """Make what is missing or stale, and return how many renditions were written. With `stale_of`, a preset (id), only
    what is stale of it.

    One GET, and none when whoever found the image has left its bytes (services/handover.py).

    Idempotent: a run that was cut off is completed by the next. Raises ImageRefused when the object cannot be
    decoded and AwsNotFound when it is gone. A preset that would make too many pixels of this image, or a rendition that
    would replace one of another image, does not stop the others: it is refused after they were made.
    """
    held = _held(image)
    presets = _missing(image, held)
    if stale_of is not None:
        presets = [preset for preset in presets if preset.pk == stale_of and preset.pk in held]
    body = handover.take(image) if presets else None
    written = _make(image, presets, held=held, source=Source(body=body, etag=image.etag) if body else None)
    if body:
        handover.forget(image)
    return written


def make_one(*, image: Image, preset: Preset) -> int:
    """Make one rendition anew, also where it is current. One GET and one PUT; a DELETE for another key before."""
    return _make(image, [preset], held=[preset.pk], overwrite=True)


def cost_of_one(rendition: Rendition) -> dict[str, int]:
    """Requests of `make_one` where the catalogue has this rendition, which is loaded with its image and preset."""
    image, preset, place = rendition.image, rendition.preset, rendition.image.bucket.renditions_bucket
    if place is None or _refusal(preset, image, image_limits()):
        return {}
    if image.missing_since:
        return {RequestClass.S3_TIER2.value: 1}
    replaced = (place.pk, _key(image, preset)) != (rendition.bucket_id, rendition.key)
    return {
        RequestClass.S3_TIER2.value: 1,
        RequestClass.S3_TIER1.value: 1,
        RequestClass.FREE.value: int(replaced),
    }


def make_in_request(*, image: Image, file: BinaryIO) -> None:
    """Make those that belong into the upload's own request, from its file. One PUT each.

    The upload has succeeded already, so what fails here is logged and left to the job.
    """
    try:
        held = _held(image)
        presets = [preset for preset in _missing(image, held) if preset.in_request]
        _make(image, presets, held=held, source=Source(body=file, etag=image.etag))
    except Exception:  # whatever it is, the file is stored and catalogued
        logger.warning("renditions of %s left to the job", image, exc_info=True)


def in_request_count() -> int:
    """How many PUTs `make_in_request` takes at most."""
    return Preset.objects.filter(active=True, in_request=True).count()


def delete_one(*, rendition: Rendition) -> None:
    """Delete a rendition, object first. One DELETE, free of charge.

    Raises ObjectRefused, before it, when its bucket is under legal hold at that moment.
    """
    if Bucket.objects.filter(pk=rendition.bucket_id, legal_hold=True).exists():
        raise ObjectRefused("held")
    s3.delete_object(rendition.bucket.name, rendition.key)
    previews.forget(rendition)
    # Made anew meanwhile, it has an object again.
    Rendition.objects.filter(pk=rendition.pk, created_at=rendition.created_at).delete()


def _held(image: Image) -> Mapping[int, tuple[str, int]]:
    """The source's ETag and the preset's version of what was made of the image, by preset (ids)."""
    rows = image.renditions.order_by().values_list("preset", "source_etag", "preset_version")
    return {preset: (etag, version) for preset, etag, version in rows}


def _missing(image: Image, held: Mapping[int, tuple[str, int]]) -> list[Preset]:
    active: Iterable[Preset] = Preset.objects.filter(active=True)
    return [preset for preset in active if held.get(preset.pk) != (image.etag, preset.version)]


def _make(
    image: Image,
    presets: Sequence[Preset],
    *,
    held: Container[int],
    source: Source | None = None,
    overwrite: bool = False,
) -> int:
    """`held` are the presets (ids) of which the image may have a rendition, which is replaced."""
    limits = image_limits()
    refusals = _refusals(presets, image, limits)
    wanted = {preset.slug: preset for preset in presets if preset.slug not in refusals}
    written: list[bool] = []
    if wanted and image.bucket.renditions_bucket is None:
        raise ObjectRefused("unpaired")
    if wanted:
        source = source or _original(image, limits)
        made = decoding.make(source.body, [spec_of(preset) for preset in wanted.values()])
        written = [
            _write(image, wanted[done.slug], done, source_etag=source.etag, held=held, overwrite=overwrite)
            for done in made
        ]
        _drop_if_trashed(image)
    for refusal in refusals.values():
        raise refusal
    return sum(written)


def _drop_if_trashed(image: Image) -> None:
    """What was saved after the image went to the trash is not seen by that move. Raises AwsNotFound then."""
    if not Image.objects.filter(pk=image.pk).exists():
        removal.remove_renditions(image)
        raise AwsNotFound(image.key)


def _refusals(presets: Sequence[Preset], image: Image, limits: Limits) -> dict[str, BackofficeError]:
    """Why some of the presets (slugs) are not made of this image. One query.

    A bucket that is paired anew may hold renditions of other images under the keys of ours. Those of images on their
    way to the trash are deleted, and in nobody's way.
    """
    found = {preset.slug: refusal for preset in presets if (refusal := _refusal(preset, image, limits))}
    slugs = {_key(image, preset): preset.slug for preset in presets if preset.slug not in found}
    held = Rendition.objects.filter(bucket=image.bucket.renditions_bucket_id, key__in=slugs, image__trashed_at=None)
    theirs = held.exclude(image=image).order_by().values_list("key", flat=True)
    return found | {slugs[key]: ObjectRefused("replaces_rendition") for key in theirs}


def _refusal(preset: Preset, image: Image, limits: Limits) -> BackofficeError | None:
    """Why the preset cannot be made of this image, if so; `preset` among the facts says that it is not the image."""
    if _has_key_of_another(preset.slug, image.key):
        return ObjectRefused("replaces_rendition")
    target = target_size(spec_of(preset), image.width, image.height)
    if not _too_large(target, limits):
        return None
    return ImageRefused(
        "too_many_pixels",
        preset=preset.name,
        width=target.width,
        height=target.height,
        limit=limits.max_pixels,
    )


def refused_presets(specs: Mapping[int, Spec], *, key: str, width: int, height: int) -> set[int]:
    """The ids of those that would make too many pixels of an image of this size, or replace others by its key."""
    limits = image_limits()
    return {
        pk
        for pk, spec in specs.items()
        if _has_key_of_another(spec.slug, key) or _too_large(target_size(spec, width, height), limits)
    }


def _has_key_of_another(slug: str, key: str) -> bool:
    return not keys.is_immutable(slug) and is_for_renditions(key)


def _too_large(target: Target, limits: Limits) -> bool:
    return target.width * target.height > limits.max_pixels


def _original(image: Image, limits: Limits) -> Source:
    try:
        content = s3.get_object(image.bucket.name, image.key, max_bytes=limits.max_bytes)
    except s3.ObjectTooLarge as error:
        raise ImageRefused("too_many_bytes", size=error.size, limit=limits.max_bytes) from error
    if content is None:
        raise AwsNotFound(image.key)
    return Source(body=content.body, etag=content.etag)


def spec_of(preset: Preset) -> Spec:
    """The preset as imaging takes it."""
    return Spec(
        slug=preset.slug,
        width=preset.width,
        height=preset.height,
        mode=preset.mode,
        allow_upscale=preset.allow_upscale,
        format=preset.format,
        quality=preset.quality,
        background=_rgb(preset.background),
        blur=preset.blur,
    )


def _rgb(colour: str) -> tuple[int, int, int]:
    """From #rrggbb."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _write(
    image: Image, preset: Preset, made: Made, *, source_etag: str, held: Container[int], overwrite: bool
) -> bool:
    """Object first, row second: what a crash between them leaves is found under the same key by the next run.

    False when the preset was deleted meanwhile; AwsNotFound when the image was. Neither leaves an object.
    """
    bucket = image.bucket.renditions_bucket
    if bucket is None:
        raise AwsNotFound(image.bucket.name)
    key = keys.rendition_key(
        preset=preset.slug,
        version=preset.version,
        key=image.key,
        etag=source_etag,
        extension=extension(made.format),
    )
    etag = _put(bucket.name, key, made, immutable=keys.is_immutable(preset.slug), overwrite=overwrite)
    values = {
        "bucket": bucket,
        "key": key,
        "etag": etag,
        "size": len(made.body),
        "content_type": made.content_type,
        "width": made.width,
        "height": made.height,
        "source_etag": source_etag,
        "preset_version": preset.version,
        "created_at": timezone.now(),
    }
    rendition = None if preset.pk in held else _insert(image, preset, values)
    leftover = None
    if rendition is None:
        rendition, leftover = _save(image, preset, values)
    if leftover:
        removal.discard_or_log(leftover=leftover)
    if rendition is None:
        if not Image.objects.filter(pk=image.pk).exists():
            raise AwsNotFound(image.key)
        return False
    if preset.slug in SHOWN or (rendition.is_whole and rendition.width <= SHOWN_UP_TO):
        previews.remember(rendition, made.body)
    return True


def _put(bucket: str, key: str, made: Made, *, immutable: bool, overwrite: bool) -> str:
    try:
        return s3.put_object(
            bucket,
            key,
            made.body,
            content_type=made.content_type,
            overwrite=overwrite or not immutable,
            cache_control=FOREVER if immutable else "",
        )
    except AwsConflict:
        # A run that was cut off wrote it: the key names source and preset version, so the pixels are the same.
        held = s3.head_object(bucket, key)
        if held is None:
            raise
        return held.etag


def _insert(image: Image, preset: Preset, values: dict[str, Any]) -> Rendition | None:
    """The saved row of a first rendition: a third of the cost of `_save`, and there are six for each image.

    None when the image or the preset was deleted meanwhile, or somebody else has made one.
    """
    try:
        with alone():
            return Rendition.objects.create(image=image, preset=preset, **values)
    except IntegrityError:
        return None


def _save(image: Image, preset: Preset, values: dict[str, Any]) -> tuple[Rendition | None, Leftover | None]:
    """The saved row, and the object that is superfluous now: the replaced one or, without image or preset, our own."""
    try:
        return _save_locked(image, preset, values)
    except IntegrityError:  # the preset was deleted, or its rendition made, between our look and the commit
        return _save_locked(image, preset, values)


def _save_locked(image: Image, preset: Preset, values: dict[str, Any]) -> tuple[Rendition | None, Leftover | None]:
    place = {"bucket": values["bucket"], "key": values["key"]}
    with transaction.atomic():
        # The image is locked, so nobody else changes this row. Not its key, which `_insert` of the same needs at its
        # end, while we would wait for that here.
        found = (
            Image.objects.select_for_update(no_key=True)
            .filter(pk=image.pk)
            .values_list(
                Exists(Preset.objects.filter(pk=preset.pk)),
                Subquery(Rendition.objects.filter(image=image, preset=preset).order_by().values("pk")),
            )
        )
        locked = list(found)
        if not locked:
            # Another image may have this thumbnail key by now: ours lies there instead of its own, so that is stale.
            Rendition.objects.filter(**place).exclude(etag=values["etag"]).update(source_etag="")
        if not locked or not locked[0][0]:
            return None, Leftover.objects.create(**place)
        before = Rendition.objects.get(pk=locked[0][1]) if locked[0][1] else None
        rendition = Rendition(pk=before.pk if before else None, image=image, preset=preset, **values)
        rendition.save()
        if before is None or (before.bucket_id, before.key) == (rendition.bucket_id, rendition.key):
            return rendition, None
        return rendition, Leftover.objects.create(bucket_id=before.bucket_id, key=before.key)


def fits(preset: Preset, image: Image, *, width: int, height: int, media: str) -> bool:
    """Whether a rendition of this size and content type is what the preset makes of the image."""
    target = target_size(spec_of(preset), image.width, image.height)
    return (width, height, media) == (target.width, target.height, content_type(_format(preset, image)))


def _key(image: Image, preset: Preset) -> str:
    """Where the preset's rendition goes, unless S3 holds another object by now than the catalogue."""
    return keys.rendition_key(
        preset=preset.slug,
        version=preset.version,
        key=image.key,
        etag=image.etag,
        extension=extension(_format(preset, image)),
    )


def _format(preset: Preset, image: Image) -> str:
    """That the preset makes of the image."""
    return rendered_as(image.format) if preset.format == Preset.Format.SOURCE else preset.format
