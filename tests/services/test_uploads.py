"""Uploads: what is stored, under which key, and that nothing stays half-stored."""

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsDenied, AwsThrottled, AwsUnavailable, ImageRefused, QuotaRefused
from media_catalog.models import Image, RequestClass, Upload
from media_catalog.services import arrivals, uploads
from tests.aws.faults import Answer, s3_error
from tests.pictures import encoded, jpeg, picture
from tests.services.objects import BODY, body_of, held_headers, no_more


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


def test_a_failing_database_takes_the_object_back(store, originals, monkeypatch):
    def failing(**kwargs):
        raise OperationalError("disk full")

    monkeypatch.setattr(arrivals, "record", failing)
    with pytest.raises(OperationalError):
        store()

    assert s3.head_object(originals.name, "photo.jpg") is None
    assert Upload.objects.get().status == Upload.Status.FAILED


def test_a_failing_database_leaves_the_object_of_another(store, originals, monkeypatch):
    """Somebody else has replaced our object meanwhile."""

    def failing(**kwargs):
        s3.put_object(originals.name, "photo.jpg", b"another's", content_type="text/plain", overwrite=True)
        raise OperationalError("disk full")

    monkeypatch.setattr(arrivals, "record", failing)
    with pytest.raises(OperationalError):
        store()

    assert body_of(originals, "photo.jpg") == b"another's"


def test_a_row_of_another_object_under_the_key_is_no_success(store, originals, monkeypatch):
    def late(**kwargs):
        Image.objects.create(bucket=originals, key="photo.jpg", etag="another", size=1, width=1, height=1)
        return record(**kwargs)

    record = arrivals.record
    monkeypatch.setattr(arrivals, "record", late)
    with pytest.raises(AwsConflict):
        store()

    assert Image.objects.get().etag == "another"
    assert body_of(originals, "photo.jpg") is not None  # the row says that it is there
    assert Upload.objects.get().status == Upload.Status.FAILED


class TestFaultOfThePut:
    """The key may hold an object that the catalogue does not know: it is never ours to delete."""

    def test_refused_by_quota_asks_for_nothing(self, store, originals, cloud):
        s3.put_object(originals.name, "photo.jpg", BODY, content_type="image/jpeg")
        no_more(RequestClass.S3_TIER1)
        mark = cloud.access_log.mark()

        with pytest.raises(QuotaRefused):
            store(BODY)

        assert not cloud.access_log.operations(mark)
        assert body_of(originals, "photo.jpg") == BODY
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize(
        ("answers", "error"),
        [([s3_error(403, "AccessDenied")], AwsDenied), ([s3_error(503, "SlowDown")] * 3, AwsThrottled)],
    )
    @pytest.mark.parametrize(
        ("held", "asked", "status"),
        [
            (Answer(headers=held_headers(BODY)), ["HEAD", "DELETE"], Upload.Status.FAILED),
            (Answer(headers=held_headers(b"another's")), ["HEAD"], Upload.Status.FAILED),
            (Answer(headers={"ETag": '"0"'}), ["HEAD"], Upload.Status.FAILED),
            (Answer(status=404), ["HEAD"], Upload.Status.FAILED),
            (Answer(status=403), ["HEAD"], Upload.Status.CREATED),
        ],
        ids=["ours", "another's", "no checksum", "nothing", "denied"],
    )
    def test_only_what_is_ours_is_deleted(self, store, s3_says, answers, error, held, asked, status):
        s3_says.script.extend([*answers, held, Answer(status=204)])

        with pytest.raises(error):
            store(BODY)

        assert [request.method for request in s3_says.log] == ["PUT"] * len(answers) + asked
        assert Upload.objects.get().status == status

    def test_without_an_answer_it_is_too_early_to_look(self, store, s3_says):
        s3_says.script.extend([s3_error(500, "InternalError")] * 3)

        with pytest.raises(AwsUnavailable):
            store()

        assert [request.method for request in s3_says.log] == ["PUT"] * 3
        upload = Upload.objects.get()
        assert upload.status == Upload.Status.CREATED
        assert "AwsUnavailable" in upload.error
        assert not Image.objects.exists()

    def test_the_retry_refused_by_quota_leaves_the_first_to_be_looked_at(self, store, s3_says):
        no_more(RequestClass.S3_TIER1, but=1)
        s3_says.script.extend([s3_error(500, "InternalError"), Answer(headers=held_headers(BODY)), Answer(status=204)])

        with pytest.raises(QuotaRefused):
            store(BODY)

        assert [request.method for request in s3_says.log] == ["PUT", "HEAD", "DELETE"]


def test_what_cannot_be_undone_at_once_is_undone_by_the_sweep(store, originals, monkeypatch):
    """The object is written but the answer is lost: the trace remains until S3 is back."""
    put = s3.put_object

    def answer_lost(*args, **kwargs):
        put(*args, **kwargs)
        raise AwsUnavailable("no answer")

    monkeypatch.setattr(s3, "put_object", answer_lost)
    with pytest.raises(AwsUnavailable):
        store()
    assert body_of(originals, "photo.jpg") is not None
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))

    assert uploads.settle_stale() == []
    assert body_of(originals, "photo.jpg") is None
    assert Upload.objects.get().status == Upload.Status.FAILED
    assert not Image.objects.exists()


def test_an_open_upload_holds_its_key(store, originals):
    Upload.objects.create(bucket=originals, key="photo.jpg", name="photo.jpg")

    assert store().key == "photo-2.jpg"


def test_a_key_completed_at_the_last_moment_is_another_s(store):
    """Between the choice of the key and its reservation, the same picture is uploaded by somebody else."""
    atomic = transaction.atomic

    def other_first(*args, **kwargs):
        monkeypatch.undo()
        other.append(store(BODY))
        return atomic(*args, **kwargs)

    other: list[Image] = []
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(transaction, "atomic", other_first)
    image = store(BODY)

    assert [other[0].key, image.key] == ["photo.jpg", "photo-2.jpg"]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_two_that_race_for_one_key_are_both_stored(store, originals):
    start = threading.Barrier(2)

    def race(_number: int) -> list[str]:
        try:
            keys = []
            for name in names:
                start.wait(20)
                keys.append(store(BODY, name=name).key)
            return keys
        finally:
            connection.close()

    names = [f"{number}.jpg" for number in range(10)]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(race, range(2))

    expected = {key for name in names for key in (name, name.replace(".", "-2."))}
    assert {*first, *second} == expected
    assert set(Image.objects.values_list("key", flat=True)) == expected
    assert all(body_of(originals, key) == BODY for key in expected)
    assert set(Upload.objects.values_list("status", flat=True)) == {Upload.Status.COMPLETED}
