"""Making the renditions of an image: one GET, one decode, one PUT for each."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound, ImageRefused
from media_catalog.imaging.probe import content_type, extension
from media_catalog.imaging.renditions import Limits, Made, Spec, target_size
from media_catalog.imaging.renditions import make as make_pixels
from media_catalog.models import Image, Leftover, Preset, Rendition

from . import keys, previews, removal
from .limits import image_limits

SHOWN = (Preset.THUMBNAIL, Preset.PREVIEW)
FOREVER = "private, max-age=31536000, immutable"


def missing_presets(image: Image) -> list[Preset]:
    """Active presets of which the image has no current rendition."""
    current = image.renditions.current().values("preset")
    return list(Preset.objects.filter(active=True).exclude(pk__in=current))


def make(*, image: Image) -> int:
    """Make what is missing or stale, and return how many renditions were written.

    Idempotent: a run that was cut off is completed by the next. Raises ImageRefused when the object cannot be
    decoded and AwsNotFound when it is gone. A preset that would make too many pixels of this image does not stop
    the others: it is refused, by name, after they were made.
    """
    limits = image_limits()
    missing = missing_presets(image)
    refusals = {preset.slug: refusal for preset in missing if (refusal := _refusal(preset, image, limits))}
    presets = {preset.slug: preset for preset in missing if preset.slug not in refusals}
    written: list[bool] = []
    if presets:
        content = _original(image, limits)
        made = make_pixels(content.body, [_spec(preset) for preset in presets.values()], limits=limits)
        written = [_write(image, presets[done.slug], done, source_etag=content.etag) for done in made]
    for refusal in refusals.values():
        raise refusal
    return sum(written)


def _refusal(preset: Preset, image: Image, limits: Limits) -> ImageRefused | None:
    """Why the preset cannot be made of this image, if so; `preset` among the facts says that it is not the image."""
    target = target_size(_spec(preset), image.width, image.height)
    if target.width * target.height <= limits.max_pixels:
        return None
    return ImageRefused(
        "too_many_pixels",
        preset=preset.name,
        width=target.width,
        height=target.height,
        limit=limits.max_pixels,
    )


def _original(image: Image, limits: Limits) -> s3.ObjectContent:
    try:
        content = s3.get_object(image.bucket.name, image.key, max_bytes=limits.max_bytes)
    except s3.ObjectTooLarge as error:
        raise ImageRefused("too_many_bytes", size=error.size, limit=limits.max_bytes) from error
    if content is None:
        raise AwsNotFound(image.key)
    return content


def _spec(preset: Preset) -> Spec:
    return Spec(
        slug=preset.slug,
        width=preset.width,
        height=preset.height,
        mode=preset.mode,
        allow_upscale=preset.allow_upscale,
        format=preset.format,
        quality=preset.quality,
    )


def _write(image: Image, preset: Preset, made: Made, *, source_etag: str) -> bool:
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
    etag = _put(bucket.name, key, made, immutable=keys.is_immutable(preset.slug))
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
    rendition, leftover = _save(image, preset, values)
    if leftover:
        removal.discard_or_log(leftover=leftover)
    if rendition is None:
        if not Image.objects.filter(pk=image.pk).exists():
            raise AwsNotFound(image.key)
        return False
    if preset.slug in SHOWN:
        previews.remember(rendition, made.body)
    return True


def _put(bucket: str, key: str, made: Made, *, immutable: bool) -> str:
    try:
        return s3.put_object(
            bucket,
            key,
            made.body,
            content_type=made.content_type,
            overwrite=not immutable,
            cache_control=FOREVER if immutable else "",
        )
    except AwsConflict:
        # A run that was cut off wrote it: the key names source and preset version, so the pixels are the same.
        held = s3.head_object(bucket, key)
        if held is None:
            raise
        return held.etag


def _save(image: Image, preset: Preset, values: dict[str, Any]) -> tuple[Rendition | None, Leftover | None]:
    """The saved row, and the object that is superfluous now: the replaced one or, without image or preset, our own."""
    place = {"bucket": values["bucket"], "key": values["key"]}
    with transaction.atomic():
        if not Image.objects.select_for_update().filter(pk=image.pk).exists():
            # Another image may have this thumbnail key by now: ours lies there instead of its own, so that is stale.
            Rendition.objects.filter(**place).exclude(etag=values["etag"]).update(source_etag="")
            return None, Leftover.objects.create(**place)
        if not Preset.objects.select_for_update().filter(pk=preset.pk).exists():
            return None, Leftover.objects.create(**place)
        before = Rendition.objects.filter(image=image, preset=preset).select_related("bucket").first()
        rendition, _created = Rendition.objects.update_or_create(image=image, preset=preset, defaults=values)
        if before is None or (before.bucket, before.key) == (rendition.bucket, rendition.key):
            return rendition, None
        return rendition, Leftover.objects.create(bucket=before.bucket, key=before.key)


def fits(preset: Preset, image: Image, *, width: int, height: int, media: str) -> bool:
    """Whether a rendition of this size and content type is what the preset makes of the image."""
    target = target_size(_spec(preset), image.width, image.height)
    made_in = image.format if preset.format == Preset.Format.SOURCE else preset.format
    return (width, height, media) == (target.width, target.height, content_type(made_in))
