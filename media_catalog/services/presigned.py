"""Uploads by the API: forms for them, what became of them, and the recovery when the Lambda's report is lost."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.aws.presign import Post
from media_catalog.exceptions import ImageRefused, NoUploadBucket
from media_catalog.models import Bucket, Image, JobItem, Preset, Upload
from media_catalog.s3_events import Created

from . import direct_uploads, metadata, reports
from .direct_uploads import Begin, Issued, Terms, Wanted
from .renditions import missing_presets
from .reports import MadeObject

MAX_BATCH = 100
SWEEP_ROWS = 500
BUCKET_SECONDS = 60  # that the bucket of the settings is remembered


def create(*, user: User, data: Mapping[str, str]) -> Issued:
    """A form for one file. The same user gets the same again, once, for the same metadata within the reuse window.

    Not when something has come by it, nor a third time: two files must not get one key. Raises as `create_many` does.
    """
    data = metadata.checked(data)
    window = settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_REUSE_WINDOW
    place = _reuse_key(user, data)
    if window > 0 and (reused := _reusable(place)):
        return reused
    [issued] = _issue(user, data, count=1)
    if window > 0:
        cache.set(place, (issued.upload.uuid, asdict(issued.post)), window)
    return issued


def create_many(*, user: User, data: Mapping[str, str], count: int) -> list[Issued]:
    """Forms for 1 to MAX_BATCH files, each with a key of its own.

    Raises MetadataRefused, NoUploadBucket, QuotaShort and AwsDenied; nothing is reserved or signed then.
    """
    return _issue(user, metadata.checked(data), count=count)


def own(user: User, uuid: UUID) -> Upload | None:
    """The user's upload by the API."""
    uploads = Upload.objects.select_related("bucket", "user")
    return uploads.filter(uuid=uuid, user=user, channel=Upload.Channel.API).first()


def look(upload: Upload, *, begin: Begin) -> None:
    """What a poll does when the report seems lost. `begin` starts our own making of the renditions of an image.

    After ASYNC_IMAGE_CALLBACK_GRACE seconds, and once in so many, one GET looks whether the object has come; in the
    transaction by which its image becomes known, the making begins. When our own worker has made the renditions, they
    are the result; when its job has failed, that is. It begins once more for an image for which there is no job.
    """
    if upload.status == Upload.Status.COMPLETED and not upload.is_decided:
        _finish_by_worker(upload, begin)
        return
    grace = timedelta(seconds=settings.ASYNC_IMAGE_CALLBACK_GRACE)
    if upload.is_decided or upload.status != Upload.Status.CREATED or timezone.now() < upload.created_at + grace:
        return
    if _first_look(upload):
        with suppress(ImageRefused):  # the upload tells it
            direct_uploads.confirm(upload=upload, leave=True, begin=begin)


def arrived(created: Created, *, begin: Begin) -> bool:
    """Whether what S3 announces is an open upload that our own worker serves: its look is due now, and no report comes.

    One GET. The image becomes known in the transaction in which `begin` starts the making of its renditions.
    """
    uploads = Upload.objects.free(timezone.now()).select_related("bucket", "user")
    by_worker = uploads.filter(channel=Upload.Channel.API, bucket__resize_engine=Bucket.ResizeEngine.WORKER)
    upload = by_worker.filter(bucket__name=created.bucket, key=created.key).first()
    if upload is None:
        return False
    with suppress(ImageRefused):  # the upload tells it
        direct_uploads.confirm(upload=upload, leave=True, begin=begin)
    return True


def finish_waiting() -> list[int]:
    """Give results to known images of uploads that still wait for theirs; returns those (ids) that need a job.

    No request. Oldest first, SWEEP_ROWS at most.
    """
    before = timezone.now() - timedelta(seconds=settings.ASYNC_IMAGE_CALLBACK_GRACE)
    waiting = Upload.objects.undecided().filter(created_at__lt=before).select_related("bucket").order_by("created_at")
    found: list[int] = []
    for upload in waiting[:SWEEP_ROWS]:
        look(upload, begin=lambda image: found.append(image.pk))
    return found


def _first_look(upload: Upload) -> bool:
    return cache.add(f"upload-look:{upload.pk}", True, settings.ASYNC_IMAGE_CALLBACK_GRACE)


def _issue(user: User, data: Mapping[str, str], *, count: int) -> list[Issued]:
    terms = Terms(
        prefix=settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH,
        max_bytes=settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH,
        seconds=settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_EXPIRATION,
        metadata=data,
        channel=Upload.Channel.API,
        renditions=settings.ASYNC_IMAGE_RENDITIONS,
    )
    return direct_uploads.issue(files=[Wanted(name="")] * count, bucket=_bucket(), user=user, terms=terms)


def _bucket() -> Bucket:
    name = settings.ASYNC_IMAGE_UPLOAD_BUCKET
    place = f"upload-bucket:{name}"
    bucket = cache.get(place) or Bucket.objects.for_uploads().filter(name=name).first()
    if not isinstance(bucket, Bucket):
        raise NoUploadBucket(name)
    cache.set(place, bucket, BUCKET_SECONDS)
    return bucket


def _reuse_key(user: User, data: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    return f"upload-reuse:{user.pk}:{settings.ASYNC_IMAGE_UPLOAD_BUCKET}:{digest}"


def _reusable(place: str) -> Issued | None:
    """One HEAD, where there is a form at all. Of all who ask at once, one gets it."""
    kept: tuple[UUID, dict[str, Any]] | None = cache.get(place)
    if kept is None or not cache.delete(place):
        return None
    unused = Upload.objects.filter(status=Upload.Status.CREATED, outcome__isnull=True, expires_at__gt=timezone.now())
    upload = unused.select_related("bucket").filter(uuid=kept[0]).first()
    if upload is None or s3.head_object(upload.bucket.name, upload.key):
        return None
    return Issued(upload=upload, post=Post(**kept[1]))


def _finish_by_worker(upload: Upload, begin: Begin) -> None:
    """Set the result if there is one by now; begin, once in each grace, when there is neither result nor job."""
    image = Image.objects.filter(bucket=upload.bucket_id, key=upload.key).select_related("bucket").first()
    if image is None:
        _end(upload, "removed")
        return
    if not missing_presets(image):
        if not _finish_with(upload, image):
            _end(upload, "renditions_failed")
        return
    items = image.job_items.filter(job__kind="make_renditions").order_by("-pk")
    last = items.values_list("state", flat=True).first()
    if last in (None, JobItem.State.DONE):  # DONE: of presets that have changed since
        if _first_look(upload):
            begin(image)
    elif last in (JobItem.State.FAILED, JobItem.State.SKIPPED, JobItem.State.CANCELLED):
        _end(upload, "renditions_failed")


def _end(upload: Upload, code: str) -> None:
    outcome = {"error": {"code": code, "reason": "", "facts": {}}}
    Upload.objects.undecided().filter(pk=upload.pk).update(outcome=outcome)
    upload.refresh_from_db()


def _finish_with(upload: Upload, image: Image) -> bool:
    """False when the image has no rendition that could be the result."""
    made = [
        MadeObject(
            preset=rendition.preset.slug,
            key=rendition.key,
            etag=rendition.etag,
            size=rendition.size,
            width=rendition.width,
            height=rendition.height,
            content_type=rendition.content_type,
        )
        for rendition in image.renditions.current().select_related("preset")
    ]
    shown = next((each for each in made if each.preset == Preset.PREVIEW), made[0] if made else None)
    with transaction.atomic():
        locked = Upload.objects.select_for_update(of=("self",)).select_related("user").get(pk=upload.pk)
        if shown and not locked.is_decided:
            outcome = {"renditions": [asdict(each) for each in made]}
            reports.finish(locked, processed_key=shown.key, outcome=outcome)
            locked.save(update_fields=["processed_key", "outcome"])
    upload.refresh_from_db()
    return bool(shown)
