"""Uploads: what is stored, under which key, and that nothing stays half-stored."""

import base64
import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsConflict, AwsDenied, AwsThrottled, AwsUnavailable, ImageRefused, QuotaRefused
from media_catalog.jobs import schedules
from media_catalog.models import Image, Job, RequestClass, RequestCounter, RequestLimit, Upload
from media_catalog.services import arrivals, uploads
from tests.aws.faults import Answer, s3_error, serving
from tests.pictures import encoded, jpeg, picture

BODY = jpeg()


@pytest.fixture
def s3_says(originals, settings):
    """A server in the place of S3 that answers by script."""
    with serving() as server:
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        yield server


def _held(body: bytes) -> dict[str, str]:
    """Headers of an answer to HEAD."""
    return {"ETag": '"0"', "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()}


def _body(bucket, key) -> bytes | None:
    content = s3.get_object(bucket.name, key)
    return content.body if content else None


def _no_more(request_class, *, but=0):
    spent = RequestCounter.objects.get(period="month", request_class=request_class).used
    RequestLimit.objects.filter(request_class=request_class).update(limit=spent + but)


def _put(bucket, key, body, *, checksum=True):
    sha256 = hashlib.sha256(body).digest() if checksum else None
    s3.put_object(bucket.name, key, body, content_type="image/jpeg", sha256=sha256)


def _stale(bucket, key, body, **fields) -> Upload:
    """An upload of an hour ago, of this body; with None of one that did not reach S3."""
    if body is not None:
        _put(bucket, key, body)
    sha256 = hashlib.sha256(BODY if body is None else body).hexdigest()
    before = timezone.now() - timedelta(hours=1)
    return Upload.objects.create(bucket=bucket, key=key, name=key, sha256=sha256, created_at=before, **fields)


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

    assert _body(originals, "photo.jpg") == b"another's"


def test_a_row_of_another_object_under_the_key_is_no_success(store, originals, monkeypatch):
    def late(**kwargs):
        Image.objects.create(bucket=originals, key="photo.jpg", etag="another", size=1, width=1, height=1)
        return record(**kwargs)

    record = arrivals.record
    monkeypatch.setattr(arrivals, "record", late)
    with pytest.raises(AwsConflict):
        store()

    assert Image.objects.get().etag == "another"
    assert _body(originals, "photo.jpg") is not None  # the row says that it is there
    assert Upload.objects.get().status == Upload.Status.FAILED


class TestFaultOfThePut:
    """The key may hold an object that the catalogue does not know: it is never ours to delete."""

    def test_refused_by_quota_asks_for_nothing(self, store, originals, cloud):
        s3.put_object(originals.name, "photo.jpg", BODY, content_type="image/jpeg")
        _no_more(RequestClass.S3_TIER1)
        mark = cloud.access_log.mark()

        with pytest.raises(QuotaRefused):
            store(BODY)

        assert not cloud.access_log.operations(mark)
        assert _body(originals, "photo.jpg") == BODY
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize(
        ("answers", "error"),
        [([s3_error(403, "AccessDenied")], AwsDenied), ([s3_error(503, "SlowDown")] * 3, AwsThrottled)],
    )
    @pytest.mark.parametrize(
        ("held", "asked", "status"),
        [
            (Answer(headers=_held(BODY)), ["HEAD", "DELETE"], Upload.Status.FAILED),
            (Answer(headers=_held(b"another's")), ["HEAD"], Upload.Status.FAILED),
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
        _no_more(RequestClass.S3_TIER1, but=1)
        s3_says.script.extend([s3_error(500, "InternalError"), Answer(headers=_held(BODY)), Answer(status=204)])

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
    assert _body(originals, "photo.jpg") is not None
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))

    assert uploads.settle_stale() == []
    assert _body(originals, "photo.jpg") is None
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
    assert all(_body(originals, key) == BODY for key in expected)
    assert set(Upload.objects.values_list("status", flat=True)) == {Upload.Status.COMPLETED}


class TestSweep:
    def test_catalogues_what_a_dead_process_uploaded(self, originals):
        late = _stale(originals, "late.jpg", jpeg(50, 40))

        [image] = uploads.settle_stale()

        assert Image.objects.values_list("pk", "key", "width", "height").get() == (image, "late.jpg", 50, 40)
        late.refresh_from_db()
        assert late.status == Upload.Status.COMPLETED

    def test_closes_what_never_arrived(self, originals):
        _stale(originals, "never.jpg", None)

        assert uploads.settle_stale() == []
        assert not Image.objects.exists()
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize(("body", "error"), [(BODY, "reported as failed"), (b"<html>", "")])
    def test_deletes_ours_when_it_was_reported_as_failed_or_is_no_image(self, originals, body, error):
        _stale(originals, "bad.jpg", body, error=error)

        assert uploads.settle_stale() == []
        assert _body(originals, "bad.jpg") is None
        assert not Image.objects.exists()
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize("error", ["reported as failed", ""])
    @pytest.mark.parametrize("body", [jpeg(50, 40), b"<html>"], ids=["image", "no image"])
    @pytest.mark.parametrize("checksum", [True, False])
    def test_leaves_the_object_of_another_alone(self, originals, cloud, body, error, checksum):
        _stale(originals, "photo.jpg", None, error=error)
        _put(originals, "photo.jpg", body, checksum=checksum)
        mark = cloud.access_log.mark()

        assert uploads.settle_stale() == []
        assert dict(cloud.access_log.operations(mark)) == {"HeadObject": 1}
        assert _body(originals, "photo.jpg") == body
        assert not Image.objects.exists()
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize("error", ["reported as failed", ""])
    def test_leaves_what_the_catalogue_knows_alone(self, originals, error):
        _stale(originals, "photo.jpg", BODY, error=error)
        Image.objects.create(bucket=originals, key="photo.jpg", etag="another", size=1, width=1, height=1)

        assert uploads.settle_stale() == []
        assert _body(originals, "photo.jpg") == BODY
        assert Upload.objects.get().status == Upload.Status.FAILED

    def test_what_is_catalogued_already_is_not_new(self, originals):
        _stale(originals, "photo.jpg", BODY)
        etag = s3.head_object(originals.name, "photo.jpg").etag
        Image.objects.create(bucket=originals, key="photo.jpg", etag=etag, size=1, width=1, height=1)

        assert uploads.settle_stale() == []
        assert Upload.objects.get().status == Upload.Status.COMPLETED

    def test_leaves_fresh_uploads_alone(self, originals):
        Upload.objects.create(bucket=originals, key="now.jpg", name="now.jpg")

        assert uploads.settle_stale() == []
        assert Upload.objects.get().tries == 0

    def test_waits_longer_after_each_try(self, originals, s3_says, settings):
        settings.UPLOAD_STALE_SECONDS = 900
        _stale(originals, "photo.jpg", None)
        waits = []
        for _try in range(9):
            s3_says.script.append(Answer(status=403))
            now = timezone.now()
            assert uploads.settle_stale() == uploads.settle_stale() == []
            waits.append(round((Upload.objects.get().next_try_at - now).total_seconds(), -2))
            Upload.objects.update(next_try_at=now)

        assert waits == [900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400]
        assert len(s3_says.log) == 9

    def test_one_that_fails_in_any_way_does_not_hold_up_the_others(self, originals):
        stuck = _stale(originals, "stuck.jpg", BODY)
        Upload.objects.filter(pk=stuck.pk).update(sha256="not a digest")
        _stale(originals, "late.jpg", BODY)

        assert len(uploads.settle_stale()) == 1
        stuck.refresh_from_db()
        assert stuck.status == Upload.Status.CREATED

    def test_stops_in_time_and_goes_on_at_the_next_run(self, originals, settings):
        _stale(originals, "late.jpg", BODY)
        settings.JOB_CHUNK_SECONDS = -1
        assert uploads.settle_stale() == []

        settings.JOB_CHUNK_SECONDS = 60
        assert len(uploads.settle_stale()) == 1

    def test_recovered_images_get_their_renditions_by_one_job(self, originals, work):
        for key in ("a.jpg", "b.jpg"):
            _stale(originals, key, BODY)

        assert schedules.settle_uploads() == 2
        assert schedules.settle_uploads() == 0

        job = Job.objects.get()
        assert (job.kind, job.requested_by, job.scope) == ("make_renditions", None, "Recovered uploads")
        assert job.estimate == {"s3_tier1": 12, "s3_tier2": 2}
        work()
        assert {image.renditions.count() for image in Image.objects.all()} == {6}
