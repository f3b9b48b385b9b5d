"""Objects that anybody writes: catalogued once, whatever the messages say and how often, and processed by a job."""

import json

import pytest
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3, sqs
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsUnavailable
from media_catalog.jobs import consumer
from media_catalog.models import Bucket, Image, InventoryObject, Job, JobItem, Upload
from media_catalog.services import events, trash, trash_restore
from tests.aws.faults import s3_error, serving
from tests.lambda_function.events import announcement_test, s3_event, s3_record
from tests.pictures import bomb, encoded, jpeg, picture
from tests.reconciling import listed

pytestmark = pytest.mark.database
ODD = "álbum 1/a+b & c é.jpg"


@pytest.fixture
def put(originals):
    """Writes an object as any client would; its ETag."""

    def _put(key: str, body: bytes) -> str:
        return s3.put_object(originals.name, key, body, content_type="binary/octet-stream", overwrite=True)

    return _put


@pytest.fixture
def announce(originals):
    """Hands messages of events of this bucket to the consumer; those that are done with."""

    def _announce(*keys: str, name: str = "ObjectCreated:Put", etag: str = "0") -> list[sqs.Message]:
        records = [s3_record(originals.name, key, name) for key in keys]
        for record in records:
            record["s3"]["object"]["eTag"] = etag
        return consumer.take([message(s3_event(record)) for record in records])

    return _announce


@pytest.fixture
def announce_each(originals):
    """Hands a message for each of these keys to the consumer; the keys of those that are done with."""

    def _announce_each(*keys: str) -> list[str]:
        messages = {key: message(s3_event(s3_record(originals.name, key, "ObjectCreated:Put"))) for key in keys}
        done = consumer.take(list(messages.values()))
        return [key for key, sent in messages.items() if sent in done]

    return _announce_each


def message(body: object) -> sqs.Message:
    return sqs.Message(body=body if isinstance(body, str) else json.dumps(body), receipt="r")


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


class TestReplaced:
    def test_the_image_becomes_the_new_one_and_its_renditions_are_made_again(self, put, announce, work):
        put("a.jpg", jpeg(300, 200))
        announce("a.jpg")
        work()
        etag = put("a.jpg", jpeg(200, 300))
        announce("a.jpg", etag=etag)

        image = Image.objects.get()
        assert (image.etag, image.width, image.height) == (etag, 200, 300)
        assert not image.renditions.current().exists()
        work()
        assert image.renditions.current().count() == 6

    def test_a_late_event_of_the_old_object_changes_nothing(self, put, announce):
        old = put("a.jpg", jpeg(300, 200))
        new = put("a.jpg", jpeg(200, 300))
        announce("a.jpg", etag=new)
        announce("a.jpg", etag=old)

        assert Image.objects.get().etag == new
        assert Job.objects.count() == 1

    def test_of_two_at_the_same_time_the_later_object_stays(self, put, announce, originals, monkeypatch):
        """A second consumer records the new object while this one has read the old one."""
        put("a.jpg", jpeg(300, 200))
        look = events.look

        def look_slowly(created):
            found = look(created)
            if found and found.probe.width == 300:
                etag = put("a.jpg", jpeg(200, 300))
                monkeypatch.setattr(events, "look", look)
                announce("a.jpg", etag=etag)
            return found

        monkeypatch.setattr(events, "look", look_slowly)
        announce("a.jpg")

        held = s3.head_object(originals.name, "a.jpg")
        assert held is not None
        assert Image.objects.get().etag == held.etag


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


class TestDeleted:
    @pytest.mark.parametrize(
        "name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"]
    )
    def test_an_image_is_marked_as_missing_once(self, store, announce, originals, cloud, name):
        image = store()
        s3.delete_object(originals.name, image.key)
        mark = cloud.access_log.mark()

        assert len(announce(image.key, name=name)) == len(announce(image.key, name=name)) == 1
        assert Image.objects.get().missing_since
        assert cloud.access_log.operations(mark) == {"HeadObject": 1, "HeadBucket": 1}

    def test_the_inventory_knows_it(self, store, announce, originals):
        image = store()
        listed(originals, [image.key])
        s3.delete_object(originals.name, image.key)
        announce(image.key, name="ObjectRemoved:Delete")
        assert InventoryObject.objects.get().missing_since

    def test_of_a_bucket_that_is_gone_nothing_is_known(self, store, announce, originals):
        image = store()
        Bucket.objects.filter(pk=originals.pk).update(name="gone-for-ever-12")
        originals.name = "gone-for-ever-12"
        assert len(announce(image.key, name="ObjectRemoved:Delete")) == 1
        assert Image.objects.get().missing_since is None

    def test_what_is_there_by_now_is_not(self, store, announce, cloud):
        """An old event, or the deletion of an older version."""
        image = store()
        mark = cloud.access_log.mark()

        assert len(announce(image.key, name="ObjectRemoved:Delete")) == 1
        assert Image.objects.get().missing_since is None
        assert cloud.access_log.operations(mark) == {"HeadObject": 1}

    def test_what_is_in_no_catalogue_costs_nothing(self, announce, originals, cloud):
        mark = cloud.access_log.mark()
        assert len(announce("never.jpg", name="ObjectRemoved:Delete")) == 1
        assert not cloud.access_log.operations(mark)

    def test_it_is_there_again(self, put, announce, originals):
        etag = put("a.jpg", jpeg())
        announce("a.jpg", etag=etag)
        s3.delete_object(originals.name, "a.jpg")
        announce("a.jpg", name="ObjectRemoved:Delete")
        put("a.jpg", jpeg())
        announce("a.jpg", etag=etag)
        assert Image.objects.get().missing_since is None
        assert Job.objects.count() == 1  # its renditions are those of the same object

    def test_it_is_there_again_as_another(self, put, announce, originals):
        announce("a.jpg", etag=put("a.jpg", jpeg()))
        s3.delete_object(originals.name, "a.jpg")
        announce("a.jpg", name="ObjectRemoved:Delete")
        announce("a.jpg", etag=put("a.jpg", jpeg(50, 60)))
        assert (Image.objects.get().missing_since, Image.objects.get().width) == (None, 50)

    def test_a_message_that_cannot_be_checked_comes_again(self, store, announce, monkeypatch):
        image = store()
        monkeypatch.setattr(s3, "head_object", _away)
        assert announce(image.key, name="ObjectRemoved:Delete") == []
        assert Image.objects.get().missing_since is None

    def test_pages_say_so(self, store, admin_client):
        image = store()
        page = f"/admin/media_catalog/image/{image.pk}/change/"
        tag = '<span class="bo-tag bo-failed">Missing at S3</span>'
        shown = [admin_client.get(url).content.decode() for url in ("/admin/media_catalog/image/", page)]
        assert not any(words in text for text in shown for words in (tag, "S3 has no such object"))
        Image.objects.update(missing_since=timezone.now())
        assert tag in admin_client.get("/admin/media_catalog/image/").content.decode()
        assert "S3 has no such object any more" in admin_client.get(page).content.decode()


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


def _away(*_args):
    raise AwsUnavailable("down")


def _fail(**_options):
    raise RuntimeError


@pytest.fixture
def s3_says(originals, settings):
    """A server in the place of AWS that answers by script."""
    with serving() as server:
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        yield server
