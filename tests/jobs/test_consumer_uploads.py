"""Uploads by the API into a bucket that the worker serves: nobody reports them, so what S3 announces is confirmed."""

import pytest
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.jobs import consumer
from media_catalog.models import Bucket, Image, Job, Reservation
from media_catalog.services import presigned
from tests.pictures import jpeg

from .announcing import announce, put

__all__ = ["announce", "put"]
pytestmark = pytest.mark.database


@pytest.fixture
def upload(put, originals, settings, admin_user):
    """One whose bytes are at S3."""
    settings.ASYNC_IMAGE_UPLOAD_BUCKET = originals.name
    [issued] = presigned.create_many(user=admin_user, data={"album": "a"}, count=1)
    put(issued.upload.key, jpeg(300, 200))
    return issued.upload


def _status(upload):
    upload.refresh_from_db()
    return upload.api_status(timezone.now())


def test_it_ends_without_a_wait(upload, announce, cloud, work):
    mark = cloud.access_log.mark()
    assert len(announce(upload.key)) == 1
    assert _status(upload) == "processing"
    assert Image.objects.get().uploaded_by == upload.user
    work()
    presigned.look(upload, begin=pytest.fail)
    assert _status(upload) == "completed"
    assert cloud.access_log.operations(mark) == {"GetObject": 1, "PutObject": 6}
    assert Reservation.objects.get(uploads=upload).closed_at


def test_a_second_delivery_does_nothing(upload, announce, cloud):
    announce(upload.key)
    mark = cloud.access_log.mark()
    assert len(announce(upload.key, etag=Image.objects.get().etag)) == 1
    assert not cloud.access_log.operations(mark)
    assert Job.objects.count() == 1


def test_it_becomes_known_together_with_its_job_or_not_at_all(upload, announce, monkeypatch):
    def failing(**_options):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(consumer, "start", failing)
        with pytest.raises(RuntimeError):
            announce(upload.key)
    assert _status(upload) == "created"
    assert not Image.objects.exists()
    announce(upload.key)
    assert Job.objects.get().items.count() == 1


def test_what_is_no_image_ends_in_an_error(upload, announce, put):
    put(upload.key, b"<html>")
    assert len(announce(upload.key)) == 1
    assert (_status(upload), upload.processing_error["reason"]) == ("error", "not_image")


def test_the_message_comes_again_while_s3_is_away(upload, announce, settings):
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    forget_clients()
    assert announce(upload.key) == []
    assert _status(upload) == "created"


def test_where_the_lambda_serves_it_is_left_to_the_report(upload, announce, originals, cloud):
    Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
    mark = cloud.access_log.mark()
    assert len(announce(upload.key)) == 1
    assert not cloud.access_log.operations(mark)
    assert _status(upload) == "created"
