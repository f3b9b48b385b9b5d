"""Making the renditions of an image: one GET, one decode, one PUT for each."""

from django.db import transaction

from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound
from media_catalog.imaging.probe import extension
from media_catalog.imaging.renditions import Made, Spec
from media_catalog.imaging.renditions import make as make_pixels
from media_catalog.models import Image, Preset, Rendition

from . import keys, previews
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
    decoded and AwsNotFound when it is gone.
    """
    presets = missing_presets(image)
    if not presets:
        return 0
    content = s3.get_object(image.bucket.name, image.key)
    if content is None:
        raise AwsNotFound(image.key)
    made = make_pixels(content.body, [_spec(preset) for preset in presets], limits=image_limits())
    by_slug = {preset.slug: preset for preset in presets}
    for rendition in made:
        _write(image, by_slug[rendition.slug], rendition, source_etag=content.etag)
    return len(made)


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


def _write(image: Image, preset: Preset, made: Made, *, source_etag: str) -> None:
    """Object first, row second: what a crash between them leaves is found under the same key by the next run."""
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
    }
    rendition, replaced = _save(image, preset, values)
    if rendition is None:
        s3.delete_object(bucket.name, key)
        raise AwsNotFound(image.key)
    if replaced and replaced != key:
        s3.delete_object(bucket.name, replaced)
    if preset.slug in SHOWN:
        previews.remember(rendition, made.body)


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


def _save(image: Image, preset: Preset, values: dict[str, object]) -> tuple[Rendition | None, str]:
    """The saved row and the key that it had before; no row when the image was removed meanwhile."""
    with transaction.atomic():
        if not Image.objects.select_for_update().filter(pk=image.pk).exists():
            return None, ""
        before = Rendition.objects.filter(image=image, preset=preset).values_list("key", flat=True).first()
        rendition, _created = Rendition.objects.update_or_create(image=image, preset=preset, defaults=values)
    return rendition, before or ""
