"""Objects at S3 and open uploads, as tests of uploads need them."""

import base64
import hashlib
from datetime import timedelta

from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.models import RequestCounter, RequestLimit, Upload
from tests.pictures import jpeg

BODY = jpeg()


def held_headers(body: bytes) -> dict[str, str]:
    """Headers of an answer to HEAD."""
    return {"ETag": '"0"', "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()}


def body_of(bucket, key) -> bytes | None:
    content = s3.get_object(bucket.name, key)
    return content.body if content else None


def no_more(request_class, *, but=0):
    spent = RequestCounter.objects.get(period="month", request_class=request_class).used
    RequestLimit.objects.filter(request_class=request_class).update(limit=spent + but)


def put_by_hand(bucket, key, body, *, checksum=True):
    sha256 = hashlib.sha256(body).digest() if checksum else None
    s3.put_object(bucket.name, key, body, content_type="image/jpeg", sha256=sha256)


def stale_upload(bucket, key, body, **fields) -> Upload:
    """An upload of an hour ago, of this body; with None of one that did not reach S3."""
    if body is not None:
        put_by_hand(bucket, key, body)
    sha256 = hashlib.sha256(BODY if body is None else body).hexdigest()
    before = timezone.now() - timedelta(hours=1)
    return Upload.objects.create(bucket=bucket, key=key, name=key, sha256=sha256, created_at=before, **fields)
