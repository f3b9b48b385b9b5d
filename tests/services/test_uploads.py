"""Uploads: what is stored, under which key, and that nothing stays half-stored."""

import hashlib
import io
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import AwsUnavailable, ImageRefused
from media_catalog.models import Image, Upload
from media_catalog.services import arrivals, uploads
from tests.pictures import encoded, jpeg, picture


def test_an_upload_is_one_put_and_one_row(store, cloud, originals):
    body = jpeg(300, 200)
    mark = cloud.access_log.mark()

    image = store(body, name="Holiday.JPG")

    assert dict(cloud.access_log.operations(mark)) == {"PutObject": 1}
    held = s3.get_object(originals.name, "Holiday.jpg")
    assert held is not None
    assert (held.body, held.content_type, held.etag) == (body, "image/jpeg", image.etag)
    assert (image.key, image.width, image.height, image.size) == ("Holiday.jpg", 300, 200, len(body))
    assert image.sha256 == hashlib.sha256(body).hexdigest()
    assert Upload.objects.get().status == Upload.Status.COMPLETED


def test_the_extension_is_that_of_the_content(store):
    assert store(encoded(picture(), "PNG"), name="photo.jpg").key == "photo.png"
    assert store(encoded(picture(), "WEBP"), name="photo").key == "photo.webp"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("../../etc/passwd", "passwd.jpg"),
        ("C:\\Photos\\cat.png", "cat.jpg"),
        ("🌋🌋.jpg", "image.jpg"),
        ("été à Zürich.jpg", "été-à-Zürich.jpg"),
        ("<script>alert(1)</script>.jpg", "script.jpg"),
        ("a\x00b\nc.jpg", "a-b-c.jpg"),
        ("x" * 300 + ".jpg", "x" * 120 + ".jpg"),
        ("", "image.jpg"),
    ],
)
def test_names_become_safe_keys(store, originals, name, key):
    image = uploads.store(file=io.BytesIO(jpeg()), name=name, caption="", bucket=originals, user=None)

    assert image.key == key
    assert s3.head_object(originals.name, key) is not None


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        ("2026/11", "2026/11/photo.jpg"),
        ("/press//day one/", "press/day-one/photo.jpg"),
        ("../..", "photo.jpg"),
        ("a\\..\\b", "a/b/photo.jpg"),
    ],
)
def test_folders_become_safe_prefixes(store, originals, folder, key):
    image = uploads.store(
        file=io.BytesIO(jpeg()), name="photo.jpg", caption="", bucket=originals, user=None, folder=folder
    )

    assert image.key == key


def test_a_taken_name_gets_a_suffix_and_nothing_is_overwritten(store, originals):
    first, second, third = (store(jpeg(100 + step, 100)) for step in range(3))

    assert [first.key, second.key, third.key] == ["photo.jpg", "photo-2.jpg", "photo-3.jpg"]
    assert len({first.etag, second.etag, third.etag}) == 3


def test_an_object_unknown_to_the_catalogue_is_not_overwritten(store, originals):
    s3.put_object(originals.name, "photo.jpg", b"somebody else's", content_type="image/jpeg")

    image = store()

    assert image.key == "photo-2.jpg"
    held = s3.get_object(originals.name, "photo.jpg")
    assert held is not None
    assert held.body == b"somebody else's"


def test_our_own_object_of_a_lost_answer_is_adopted(store, originals):
    body = jpeg()
    s3.put_object(originals.name, "photo.jpg", body, content_type="image/jpeg", sha256=hashlib.sha256(body).digest())

    assert store(body).key == "photo.jpg"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>hello</body></html>", "not_image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_image"),
        (jpeg()[:2000], "damaged"),
        (encoded(picture(), "GIF"), "format"),
    ],
)
def test_a_refused_file_leaves_nothing(store, cloud, body, reason):
    mark = cloud.access_log.mark()

    with pytest.raises(ImageRefused) as refused:
        store(body)

    assert refused.value.reason == reason
    assert not cloud.access_log.operations(mark)
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


def test_limits_are_settings(store, settings):
    settings.IMAGE_MAX_BYTES = 1000
    with pytest.raises(ImageRefused, match="too_many_bytes"):
        store()
    settings.IMAGE_MAX_BYTES, settings.IMAGE_MAX_PIXELS = 10**7, 1000
    with pytest.raises(ImageRefused, match="too_many_pixels"):
        store()


def test_s3_away_leaves_no_row(store, monkeypatch):
    def away(*args, **kwargs):
        raise AwsUnavailable("no answer")

    monkeypatch.setattr(s3, "put_object", away)
    with pytest.raises(AwsUnavailable):
        store()

    assert not Image.objects.exists()
    assert Upload.objects.get().status == Upload.Status.FAILED


def test_a_failing_database_takes_the_object_back(store, originals, monkeypatch):
    def failing(**kwargs):
        raise OperationalError("disk full")

    monkeypatch.setattr(arrivals, "record", failing)
    with pytest.raises(OperationalError):
        store()

    assert s3.head_object(originals.name, "photo.jpg") is None
    assert Upload.objects.get().status == Upload.Status.FAILED


def test_what_cannot_be_undone_at_once_is_undone_by_the_sweep(store, originals, monkeypatch):
    """The object is written, the answer is lost, and S3 stays away: the trace remains until S3 is back."""
    put, delete = s3.put_object, s3.delete_object

    def answer_lost(*args, **kwargs):
        put(*args, **kwargs)
        raise AwsUnavailable("no answer")

    def away(*args):
        raise AwsUnavailable("no answer")

    monkeypatch.setattr(s3, "put_object", answer_lost)
    monkeypatch.setattr(s3, "delete_object", away)
    with pytest.raises(AwsUnavailable):
        store()
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert uploads.settle_stale() == 0

    monkeypatch.setattr(s3, "delete_object", delete)
    assert uploads.settle_stale() == 1
    assert s3.head_object(originals.name, "photo.jpg") is None
    assert not Image.objects.exists()


def test_an_open_upload_holds_its_key(store, originals):
    Upload.objects.create(bucket=originals, key="photo.jpg", name="photo.jpg")

    assert store().key == "photo-2.jpg"


def _stale(originals, key, **fields):
    return Upload.objects.create(
        bucket=originals, key=key, name=key, created_at=timezone.now() - timedelta(hours=1), **fields
    )


def test_the_sweep_catalogues_what_a_dead_process_uploaded(originals):
    s3.put_object(originals.name, "late.jpg", jpeg(50, 40), content_type="image/jpeg")
    _stale(originals, "late.jpg")

    assert uploads.settle_stale() == 1

    image = Image.objects.get(key="late.jpg")
    assert (image.width, image.height) == (50, 40)
    assert Upload.objects.get().status == Upload.Status.COMPLETED


def test_the_sweep_closes_what_never_arrived(originals):
    _stale(originals, "never.jpg")

    assert uploads.settle_stale() == 1
    assert not Image.objects.exists()
    assert Upload.objects.get().status == Upload.Status.FAILED


@pytest.mark.parametrize("fields", [{"error": "reported as failed"}, {}])
def test_the_sweep_deletes_what_was_reported_as_failed_or_is_no_image(originals, fields):
    body = jpeg() if fields else b"<html>"
    s3.put_object(originals.name, "bad.jpg", body, content_type="image/jpeg")
    _stale(originals, "bad.jpg", **fields)

    assert uploads.settle_stale() == 1
    assert s3.head_object(originals.name, "bad.jpg") is None
    assert not Image.objects.exists()


def test_the_sweep_leaves_fresh_uploads_alone(originals):
    Upload.objects.create(bucket=originals, key="now.jpg", name="now.jpg")

    assert uploads.settle_stale() == 0
