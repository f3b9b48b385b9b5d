"""Cataloguing what a bucket holds already, without writing to it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from media_catalog.aws import listing, s3
from media_catalog.aws.client import forget_clients
from media_catalog.jobs import control
from media_catalog.models import Bucket, Image, InventoryObject, Job, JobItem, RequestLimit
from media_catalog.services import adoption
from tests.aws.faults import s3_error, serving
from tests.pictures import encoded, jpeg, picture

from .buckets import messages_of, new_bucket, page, put

pytestmark = pytest.mark.database


@pytest.fixture
def inventory(admin_client, work):
    """Takes the inventory of a bucket."""

    def _inventory(bucket: Bucket) -> Bucket:
        admin_client.post(page(bucket, "take_inventory"))
        work()
        bucket.refresh_from_db()
        return bucket

    return _inventory


@pytest.fixture
def archive(originals, inventory):
    """A bucket that others have filled: three images, one with an odd name; a text with the name of one; a document."""
    bucket = new_bucket()
    for key in ("2019/a.JPG", "//odd/../b c.jpeg"):
        put(bucket, key, jpeg(90, 70))
    put(bucket, "c.png", encoded(picture(), "PNG"))
    put(bucket, "no-picture.jpg", b"text")
    put(bucket, "document.pdf", b"%PDF-1.4")
    put(bucket, "scan-without-ending", jpeg())
    put(bucket, "temp/sending.jpg", jpeg())
    return inventory(bucket)


@pytest.fixture
def adopt(admin_client, work):
    def _adopt(bucket: Bucket, **query: str) -> JobItem | None:
        admin_client.post(page(bucket, "adopt", **query))
        work()
        return JobItem.objects.filter(job__kind="adopt_objects").last()

    return _adopt


def known(bucket: Bucket) -> set[str]:
    return set(Image.objects.filter(bucket=bucket).values_list("key", flat=True))


IMAGES = {"2019/a.JPG", "//odd/../b c.jpeg", "c.png"}


def test_the_page_says_what_it_takes_and_what_it_does_not_do(archive, admin_client, cloud):
    mark = cloud.access_log.mark()
    with CaptureQueriesContext(connection) as queries:
        shown = admin_client.get(page(archive, "adopt")).content.decode()

    assert not cloud.access_log.since(mark)
    assert sum("media_catalog_inventoryobject" in query["sql"] for query in queries) == 1
    for text in (
        "4 objects may be images",
        "Nothing is written to this bucket",
        "No renditions are made",
        "becomes one for originals",
        "Look at 2 objects of other names, too",
    ):
        assert text in shown


def test_images_are_catalogued_by_one_get_each_and_nothing_is_written(archive, adopt, cloud, admin_client):
    before = listing.list_page(archive.name).objects
    mark = cloud.access_log.mark()
    item = adopt(archive)

    assert (item.state, item.message) == ("done", "3 images catalogued. 1 object skipped.")
    assert cloud.access_log.operations(mark) == {"GetObject": 4}
    assert item.job.estimate == {"s3_tier2": 4} == item.requests
    assert known(archive) == IMAGES
    image = Image.objects.get(key="2019/a.JPG")
    assert (image.width, image.height, image.name, image.uploaded_by) == (90, 70, "a.JPG", None)
    assert listing.list_page(archive.name).objects == before
    archive.refresh_from_db()
    assert (archive.role, archive.renditions_bucket, archive.progress) == ("originals", None, {})
    assert not Job.objects.filter(kind="make_renditions").exists()
    shown = admin_client.get(page(archive, "inventory", state="skipped")).content.decode()
    assert "no-picture.jpg" in shown
    assert "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF." in shown


def test_a_second_time_there_is_nothing_to_do(archive, adopt, admin_client, inventory, cloud):
    adopt(archive)
    assert "there is nothing to catalogue" in admin_client.get(page(archive, "adopt")).content.decode()
    jobs = Job.objects.count()
    adopt(archive)
    assert Job.objects.count() == jobs

    put(archive, "no-picture.jpg", encoded(picture(), "PNG"))  # now it is one
    inventory(archive)
    item = adopt(archive)
    assert item.message == "1 image catalogued. 0 objects skipped."


def test_objects_of_other_names_when_asked_for(archive, adopt):
    item = adopt(archive, any_name="1")

    assert item.message == "4 images catalogued. 2 objects skipped."
    assert known(archive) == {*IMAGES, "scan-without-ending"}


def test_it_goes_on_in_turns_and_can_be_cancelled(archive, adopt, monkeypatch, work):
    monkeypatch.setattr(adoption, "TURN_SECONDS", 0)
    item = adopt(archive)
    assert (item.state, item.attempts) == ("queued", 0)
    assert item.message == "1 image catalogued. 0 objects skipped."
    work()
    assert JobItem.objects.get(pk=item.pk).message == "2 images catalogued. 0 objects skipped."
    control.cancel(item.job, by="admin")
    work()
    assert len(known(archive)) == 2

    monkeypatch.setattr(adoption, "TURN_SECONDS", 20)
    assert adopt(archive).message == "1 image catalogued. 1 object skipped."
    assert known(archive) == IMAGES


def test_one_that_memory_is_short_for_is_skipped_and_the_next_run_tries_again(
    archive, adopt, admin_client, inventory, memory_is_back
):
    put(archive, "a scan.tif", encoded(picture(), "TIFF"))
    inventory(archive)
    item = adopt(archive)

    assert (item.state, item.message) == ("done", "3 images catalogued. 2 objects skipped.")
    assert known(archive) == IMAGES
    shown = admin_client.get(page(archive, "inventory", state="skipped")).content.decode()
    assert "too little memory" in shown
    memory_is_back()
    assert adopt(archive).message == "1 image catalogued. 0 objects skipped."
    assert known(archive) == {*IMAGES, "a scan.tif"}


def test_a_limit_refuses_it_before_anything_is_read(archive, admin_client, cloud):
    RequestLimit.objects.filter(request_class="s3_tier2").update(limit=0)
    assert "does not fit into the quota" in admin_client.get(page(archive, "adopt")).content.decode()
    mark = cloud.access_log.mark()
    response = admin_client.post(page(archive, "adopt"), follow=True)

    assert "does not fit into the quota" in messages_of(response)[0]
    assert not Job.objects.filter(kind="adopt_objects").exists()
    assert not cloud.access_log.since(mark)
    archive.refresh_from_db()
    assert archive.role == Bucket.Role.GENERAL


def test_many_are_confirmed_by_their_number(archive, adopt, admin_client, settings):
    settings.JOB_CONFIRM_ABOVE = 3
    assert "Type their number, 4, to confirm" in admin_client.get(page(archive, "adopt")).content.decode()
    assert adopt(archive) is None
    admin_client.post(page(archive, "adopt"), {"typed": "4"})
    assert Job.objects.filter(kind="adopt_objects").exists()


def test_one_that_is_gone_is_no_fault(archive, adopt):
    s3.delete_object(archive.name, "c.png")
    item = adopt(archive)

    assert item.message == "2 images catalogued. 2 objects skipped."
    assert InventoryObject.objects.get(bucket=archive, key="c.png").missing_since


def test_of_many_that_are_gone_the_bucket_is_asked_for_once(archive, adopt, cloud):
    for key in IMAGES:
        s3.delete_object(archive.name, key)
    mark = cloud.access_log.mark()
    item = adopt(archive)

    assert item.message == "0 images catalogued. 4 objects skipped."
    assert cloud.access_log.operations(mark) == {"GetObject": 4, "HeadBucket": 1}


def test_a_bucket_that_is_gone_is_one(archive, adopt):
    Bucket.objects.filter(pk=archive.pk).update(name="gone-for-ever-12")
    item = adopt(Bucket.objects.get(pk=archive.pk))

    assert (item.state, item.code) == ("failed", "not_found")
    assert not InventoryObject.objects.exclude(missing_since=None).exists()


@pytest.mark.parametrize(
    ("answer", "state"), [(s3_error(403, "AccessDenied"), "failed"), (s3_error(403, "InvalidObjectState"), "done")]
)
def test_what_cannot_be_read(archive, adopt, settings, answer, state):
    """Without access all end at once; one that sleeps in an archive is skipped."""
    with serving() as server:
        server.script.extend([answer] * 4)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        assert adopt(archive).state == state
    assert not known(archive)


def test_what_is_in_an_archive_or_too_large_is_not_asked_for(archive, settings):
    InventoryObject.objects.filter(key="c.png").update(storage_class="DEEP_ARCHIVE")
    settings.IMAGE_MAX_BYTES = 10
    assert [row.key for row in adoption.candidates(archive)] == ["no-picture.jpg"]


@pytest.mark.parametrize("role", [Bucket.Role.RENDITIONS, Bucket.Role.STATIC])
def test_not_from_buckets_of_other_use(archive, adopt, admin_client, role):
    Bucket.objects.filter(pk=archive.pk).update(role=role)
    assert "takes images from buckets for originals" in admin_client.get(page(archive, "adopt")).content.decode()
    assert adopt(archive) is None


def test_before_an_inventory(originals, admin_client, adopt):
    assert "Take an inventory first" in admin_client.get(page(originals, "adopt")).content.decode()
    assert adopt(originals) is None


def test_only_one_at_a_time(archive, admin_client):
    admin_client.post(page(archive, "adopt"))
    assert "A job is cataloguing this bucket" in admin_client.get(page(archive, "adopt")).content.decode()
    admin_client.post(page(archive, "adopt"))
    assert Job.objects.filter(kind="adopt_objects").count() == 1


def test_who_may_not_change_buckets_makes_none_one_for_originals(archive, client, staff_with):
    client.force_login(staff_with("browse_objects", "adopt_objects"))
    assert client.post(page(archive, "adopt")).status_code == 403
    Bucket.objects.filter(pk=archive.pk).update(role=Bucket.Role.ORIGINALS)
    assert client.post(page(archive, "adopt")).status_code == 302
    assert Job.objects.filter(kind="adopt_objects").exists()


def test_renditions_without_a_pair_are_refused_without_a_request(archive, adopt, admin_client, work, cloud):
    adopt(archive)
    image = Image.objects.filter(bucket=archive).first()
    mark = cloud.access_log.mark()
    response = admin_client.post(f"/admin/media_catalog/image/{image.pk}/rendition/low/make/", follow=True)

    assert any("not paired with one for renditions" in message for message in messages_of(response))
    assert not cloud.access_log.since(mark)
