"""Settings that would fail late are refused at start."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import Error, Tags, register

from media_catalog.aws.presign import check_key
from media_catalog.exceptions import KeyRefused
from media_catalog.imaging.formats import FORMATS
from media_catalog.services.object_keys import is_reserved

POSITIVE = (
    "FINDING_KEEP_DAYS",
    "HANDOVER_SECONDS",
    "IMAGE_MAX_BYTES",
    "IMAGE_MAX_PIXELS",
    "JOB_ITEM_SECONDS",
    "UPLOAD_MAX_FILES",
)


@register(Tags.compatibility)
def check_images(app_configs: object, **kwargs: Any) -> list[Error]:
    errors = []
    for name in POSITIVE:
        if getattr(settings, name) <= 0:
            errors.append(Error(f"{name} must be positive.", id="media_catalog.E001"))
    unknown = sorted(set(settings.IMAGE_FORMATS) - FORMATS.keys())
    if unknown:
        errors.append(
            Error(
                f"IMAGE_FORMATS names formats that cannot be processed: {', '.join(unknown)}.", id="media_catalog.E002"
            )
        )
    if settings.TRASH_DAYS < 0:
        errors.append(Error("TRASH_DAYS must not be negative; 0 keeps for ever.", id="media_catalog.E014"))
    return errors


@register(Tags.compatibility)
def check_buckets(app_configs: object, **kwargs: Any) -> list[Error]:
    names = [settings.BUCKET_ORIGINALS, settings.BUCKET_RENDITIONS, settings.BUCKET_STATIC]
    if settings.ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET:
        names += [settings.ASYNC_IMAGE_UPLOAD_BUCKET, settings.ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET]
    if settings.BUCKET_FILES:
        names.append(settings.BUCKET_FILES)
    if len(set(names)) < len(names):
        return [Error("The buckets must have different names.", id="media_catalog.E003")]
    return []


# Otherwise django-q2 runs a failed task again without end, keeps what is done, or loses what it prefetched.
QUEUE_MUST = {"max_attempts": 1, "ack_failures": True, "save_limit": -1}


@register(Tags.compatibility)
def check_queue(app_configs: object, **kwargs: Any) -> list[Error]:
    queue: dict[str, Any] = settings.Q_CLUSTER
    errors = []
    if queue["workers"] < 2:
        errors.append(
            Error("WORKERS must be 2 or more: a killed idle worker hangs a pool of one.", id="media_catalog.E004")
        )
    if not settings.JOB_CHUNK_SECONDS + settings.JOB_ITEM_SECONDS < queue["timeout"] < queue["retry"]:
        errors.append(
            Error("Q_CLUSTER: a chunk must fit into `timeout`, and `timeout` into `retry`.", id="media_catalog.E005")
        )
    wrong = [f"{name} = {value!r}" for name, value in QUEUE_MUST.items() if queue.get(name) != value]
    if wrong:
        errors.append(Error(f"Q_CLUSTER: {', '.join(wrong)} is needed.", id="media_catalog.E006"))
    if not 0 < queue.get("queue_limit", 0) <= 2 * queue["workers"]:
        errors.append(
            Error(
                "Q_CLUSTER: `queue_limit` must be at most twice the workers: `retry` counts from the prefetch.",
                id="media_catalog.E007",
            )
        )
    if not settings.DATABASES["default"].get("CONN_MAX_AGE"):
        errors.append(Error("CONN_MAX_AGE must not be 0: each task would connect anew.", id="media_catalog.E008"))
    if settings.QUEUE_BROKER not in ("orm", "redis"):
        errors.append(Error("QUEUE_BROKER must be orm or redis.", id="media_catalog.E009"))
    return errors


@register(Tags.compatibility)
def check_api(app_configs: object, **kwargs: Any) -> list[Error]:
    errors = []
    for name in ("PRESIGNED_URL_EXPIRATION", "PRESIGNED_URL_CONTENT_LENGTH"):
        if getattr(settings, f"ASYNC_IMAGE_UPLOAD_{name}") <= 0:
            errors.append(Error(f"ASYNC_IMAGE_UPLOAD_{name} must be positive.", id="media_catalog.E010"))
    try:
        check_key(settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH + "0")
    except KeyRefused:
        errors.append(
            Error("ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH cannot be part of a URL.", id="media_catalog.E011")
        )
    if is_reserved(settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH):
        errors.append(
            Error(
                "ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH begins with what is kept for the trash.",
                id="media_catalog.E015",
            )
        )
    if len(settings.ASYNC_IMAGE_CALLBACK_SECRETS) > 2:
        errors.append(Error("ASYNC_IMAGE_CALLBACK_SECRETS: two at most, the new and the old.", id="media_catalog.E012"))
    if settings.API_MAX_WAITERS >= settings.WEB_THREADS:
        errors.append(
            Error(
                "API_MAX_WAITERS must be below WEB_THREADS: long polls would leave no thread for health checks.",
                id="media_catalog.E016",
            )
        )
    if not hasattr(_result_model(), "create_model"):
        errors.append(Error("PROCESSED_IMAGE_MODEL names no model with create_model().", id="media_catalog.E013"))
    return errors


def _result_model() -> object:
    try:
        return apps.get_model(settings.PROCESSED_IMAGE_MODEL)
    except (LookupError, ValueError):
        return None
