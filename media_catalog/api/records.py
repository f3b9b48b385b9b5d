"""Uploads as the API shows them."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.utils import timezone

from media_catalog.aws.presign import Post
from media_catalog.imaging.probe import content_type
from media_catalog.models import Image, Upload
from media_catalog.services import direct_uploads


def parsed(text: str) -> UUID:
    """32 hexadecimal digits, or the form with dashes; anything else is not found."""
    if len(text) not in (32, 36):
        raise Http404
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error


def as_listed(upload: Upload) -> dict[str, Any]:
    return {
        "uuid": upload.uuid.hex,
        "timestamp_expire": upload.expires_at,
        "metadata": upload.metadata,
        "processed_key": upload.processed_key,
        "error": upload.processing_error,
        "status": upload.api_status(timezone.now()),
    }


def as_record(upload: Upload, *, credential: Post | None = None) -> dict[str, Any]:
    return {
        **as_listed(upload),
        "credential": _credential(credential) if credential else None,
        "renditions": (upload.outcome or {}).get("renditions", []),
        "animated": bool(upload.processed_key) and _is_animated(upload),
    }


def _is_animated(upload: Upload) -> bool:
    return Image.objects.filter(bucket=upload.bucket_id, key=upload.key, frames__gt=1).exists()


def as_result(upload: Any) -> dict[str, Any]:
    """`upload` has `image_number` and `image_frames`."""
    return {
        "uuid": upload.uuid.hex,
        "processed_key": upload.processed_key,
        "renditions": (upload.outcome or {}).get("renditions", []),
        "metadata": upload.metadata,
        "user": upload.user.get_username() if upload.user else "",
        "image": upload.image_number,
        "animated": (upload.image_frames or 1) > 1,
    }


def _credential(post: Post) -> dict[str, Any]:
    return {
        "url": post.url,
        "fields": dict(post.fields),
        "content_types": [content_type(name) for name in settings.IMAGE_FORMATS],
        "max_bytes": direct_uploads.most_bytes(settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH),
    }
