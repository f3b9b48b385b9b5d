"""Thumbnails that the Lambda made of originals, known by the marks in their metadata."""

from dataclasses import dataclass

from media_catalog.aws import s3
from media_catalog.models import Bucket, Image, Preset, Rendition
from media_catalog.s3_events import Created, is_for_renditions

from .renditions import fits

# What the function writes into the metadata of each object: lambda/README.md.
PRESET, SOURCE_ETAG, WIDTH, HEIGHT = (f"backoffice-{name}" for name in ("preset", "source-etag", "width", "height"))


@dataclass(frozen=True, kw_only=True)
class Output:
    """A thumbnail at S3. `source` names the original that it was made of, `bucket` is that of the renditions."""

    bucket: Bucket
    source: Created
    held: s3.ObjectInfo
    width: int
    height: int


def look(created: Created) -> Output | None:
    """What the function wrote. One HEAD; no request for buckets that it does not write to.

    None for anything else, such as the renditions of the API's uploads, which are reported by a callback, and those of
    presets.
    """
    if is_for_renditions(created.key):
        return None
    written = Bucket.objects.filter(originals_bucket__resize_engine=Bucket.ResizeEngine.LAMBDA)
    bucket = written.select_related("originals_bucket").filter(name=created.bucket).first()
    held = s3.head_object(bucket.name, created.key) if bucket else None
    if bucket is None or held is None or held.metadata.get(PRESET) != Preset.THUMBNAIL:
        return None
    width, height = held.metadata.get(WIDTH, ""), held.metadata.get(HEIGHT, "")
    if not (width.isdecimal() and height.isdecimal()):
        return None
    source = Created(bucket=bucket.originals_bucket.name, key=created.key, etag=held.metadata.get(SOURCE_ETAG, ""))
    return Output(bucket=bucket, source=source, held=held, width=int(width), height=int(height))


def record(output: Output) -> Rendition | None:
    """Catalogue the thumbnail; None when its original or the preset is not known. Idempotent."""
    images = Image.objects.select_for_update().filter(bucket__name=output.source.bucket, key=output.source.key)
    image, preset = images.first(), Preset.objects.filter(slug=Preset.THUMBNAIL).first()
    if image is None or preset is None:
        return None
    rendition, _created = Rendition.objects.update_or_create(
        image=image,
        preset=preset,
        defaults={
            "bucket": output.bucket,
            "key": output.source.key,
            "etag": output.held.etag,
            "size": output.held.size,
            "content_type": output.held.content_type,
            "width": output.width,
            "height": output.height,
            "source_etag": output.source.etag,
            # The function has its width from its environment: of another one than the preset's it is stale.
            "preset_version": preset.version if _fits(output, image, preset) else 0,
        },
    )
    return rendition


def _fits(output: Output, image: Image, preset: Preset) -> bool:
    return fits(preset, image, width=output.width, height=output.height, media=output.held.content_type)
