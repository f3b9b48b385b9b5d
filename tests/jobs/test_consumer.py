"""Objects that anybody writes: catalogued once, whatever the messages say and how often, and processed by a job."""

import pytest

from media_catalog.aws import objects as s3_objects
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsUnavailable
from media_catalog.jobs import consumer
from media_catalog.models import Bucket, Image, Job, JobItem, Upload
from media_catalog.services import events, trash, trash_restore
from tests.aws.faults import s3_error, serving
from tests.lambda_function.events import announcement_test, s3_event, s3_record
from tests.pictures import bomb, encoded, jpeg, picture

from .announcing import announce, announce_each, message, put

__all__ = ["announce", "announce_each", "put"]
pytestmark = pytest.mark.database
ODD = "álbum 1/a+b & c é.jpg"


def test_what_anybody_writes_is_catalogued_and_processed(put, announce, cloud, work):
    etag = put(ODD, jpeg(300, 200))
    mark = cloud.access_log.mark()

    assert len(announce(ODD)) == 1
    assert dict(cloud.access_log.operations(mark)) == {"GetObject": 1}
    image = Image.objects.get()
    assert (image.key, image.etag, image.name, image.uploaded_by) == (ODD, etag, "a+b & c é.jpg", None)
    assert (image.width, image.height, image.content_type) == (300, 200, "image/jpeg")
    assert len(image.sha256) == 64
    work()
    assert JobItem.objects.get().state == JobItem.State.DONE
    assert image.renditions.count() == 6
    assert dict(cloud.access_log.operations(mark)) == {"GetObject": 1, "PutObject": 6}


def test_one_job_for_all_of_a_batch(put, announce):
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        put(key, jpeg())
    announce("a.jpg", "b.jpg", "c.jpg")

    assert Job.objects.get().items.count() == 3


def test_a_second_delivery_does_nothing_and_costs_nothing(put, announce, cloud):
    etag = put("a.jpg", jpeg())
    announce("a.jpg", etag=etag)
    mark = cloud.access_log.mark()

    assert len(announce("a.jpg", etag=etag)) == 1
    assert not cloud.access_log.operations(mark)
    assert Job.objects.count() == Image.objects.count() == 1


def test_two_deliveries_in_one_batch(put, announce):
    put("a.jpg", jpeg())
    announce("a.jpg", "a.jpg")

    assert Job.objects.get().items.count() == 1


def test_what_goes_to_the_trash_and_comes_back_is_no_arrival(put, announce, store, cloud, monkeypatch):
    image = store()
    seen = []
    copy = s3_objects.copy_object

    def copy_and_announce(bucket, key, *, to_bucket, to_key, **condition):
        etag = copy(bucket, key, to_bucket=to_bucket, to_key=to_key, **condition)
        mark = cloud.access_log.mark()
        for name in (key, to_key):  # that of its upload comes again, late
            assert len(announce(name, name="ObjectCreated:Copy", etag=etag)) == 1
        seen.append(dict(cloud.access_log.operations(mark)))
        return etag

    monkeypatch.setattr(s3_objects, "copy_object", copy_and_announce)
    trashed = trash.move_image(image=image)
    assert len(announce(image.key, trashed.trash_key)) == 2  # gone by now: one GET
    trash_restore.restore(pk=trashed.pk)

    assert seen == [{}, {}]
    assert Image.everything.get().trashed_at is None
    assert not Job.objects.exists()


def test_an_upload_of_ours_that_arrives_again(store, announce, cloud):
    image = store()
    mark = cloud.access_log.mark()
    announce(image.key, etag=image.etag)

    assert not cloud.access_log.operations(mark)
    assert not Job.objects.exists()


def test_an_upload_of_ours_that_is_not_recorded_yet_is_left_to_itself(put, announce, originals):
    put("a.jpg", jpeg())
    Upload.objects.create(bucket=originals, key="a.jpg", name="Mine.jpg")

    assert len(announce("a.jpg")) == 1
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        announcement_test("bucket"),
        s3_event(),
        {"Records": 1},
        "no json",
        "",
        "[" * 100_000,
        s3_event(s3_record("", "")),
    ],
    ids=["test", "empty", "odd", "text", "nothing", "nested", "malformed"],
)
def test_messages_of_no_interest_are_done_with(cloud, db, body):
    mark = cloud.access_log.mark()

    assert len(consumer.take([message(body)])) == 1
    assert not cloud.access_log.operations(mark)


@pytest.mark.parametrize("folder", ["quarantine/", "trash/"])
def test_what_is_put_aside_has_not_arrived(announce, put, cloud, folder):
    put(f"{folder}12/a.jpg", jpeg())
    mark = cloud.access_log.mark()

    assert len(announce(f"{folder}12/a.jpg")) == 1
    assert not Image.objects.exists()
    assert not cloud.access_log.since(mark)


def test_an_object_that_is_gone_by_now(announce):
    assert len(announce("gone.jpg")) == 1
    assert not Image.objects.exists()


@pytest.mark.parametrize("body", [b"no picture", b"", bomb()], ids=["text", "empty", "bomb"])
def test_what_is_no_image_stays_out_of_the_catalogue(put, announce, body):
    put("a.jpg", body)

    assert len(announce("a.jpg")) == 1
    assert not Image.objects.exists()


def test_one_that_memory_is_short_for_comes_again_and_the_others_go_on(put, announce_each, memory_is_back):
    put("scan.tif", encoded(picture(), "TIFF"))
    put("b.jpg", jpeg())

    assert announce_each("scan.tif", "b.jpg") == ["b.jpg"]
    assert Image.objects.get().key == "b.jpg"
    memory_is_back()
    assert announce_each("scan.tif") == ["scan.tif"]
    assert Image.objects.count() == 2


def test_one_that_takes_too_long_comes_again(put, announce_each, instead_of_python, monkeypatch):
    instead_of_python("exec sleep 60")
    monkeypatch.setattr(consumer, "DECODING_SECONDS", 0.1)
    put("scan.tif", encoded(picture(), "TIFF"))
    put("b.jpg", jpeg())

    assert announce_each("scan.tif", "b.jpg") == ["b.jpg"]


def test_one_that_is_too_large_is_not_read(put, announce, settings):
    put("a.jpg", jpeg())
    settings.IMAGE_MAX_BYTES = 1000

    assert len(announce("a.jpg")) == 1
    assert not Image.objects.exists()


def test_buckets_that_are_not_for_uploads(announce, put, originals, cloud):
    put("a.jpg", jpeg())
    Bucket.objects.filter(pk=originals.pk).update(role=Bucket.Role.GENERAL)
    mark = cloud.access_log.mark()

    assert len(announce("a.jpg")) == 1
    assert not cloud.access_log.operations(mark)


def test_the_images_of_a_bucket_that_the_lambda_serves_get_no_job(put, announce, originals):
    Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
    put("a.jpg", jpeg())
    announce("a.jpg")

    assert Image.objects.exists()
    assert not Job.objects.exists()


class TestFaults:
    def test_a_message_whose_object_cannot_be_read_comes_again(self, originals, s3_says):
        s3_says.script.append(s3_error(403, "AccessDenied"))

        assert consumer.take([message(s3_event(s3_record(originals.name, "a.jpg")))]) == []
        assert [request.method for request in s3_says.log] == ["GET"]

    def test_the_others_have_their_turn(self, put, originals, announce, monkeypatch):
        put("good.jpg", jpeg())
        look = events.look

        def look_or_fail(created):
            if created.key == "bad.jpg":
                raise AwsUnavailable("down")
            return look(created)

        monkeypatch.setattr(events, "look", look_or_fail)
        done = announce("bad.jpg", "good.jpg")

        assert ["good.jpg" in each.body for each in done] == [True]
        assert Image.objects.get().key == "good.jpg"

    def test_without_its_job_nothing_is_catalogued(self, put, announce, monkeypatch):
        """So the second delivery finds it new."""
        put("a.jpg", jpeg())
        with monkeypatch.context() as patch:
            patch.setattr(consumer, "start", _fail)
            with pytest.raises(RuntimeError):
                announce("a.jpg")
        assert not Image.objects.exists()

        announce("a.jpg")
        assert Job.objects.get().items.count() == 1


def _fail(**_options):
    raise RuntimeError


@pytest.fixture
def s3_says(originals, settings):
    """A server in the place of AWS that answers by script."""
    with serving() as server:
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        yield server
