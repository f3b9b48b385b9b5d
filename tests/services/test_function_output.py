"""Thumbnails that the Lambda made, as S3 announces them."""

import boto3
import pytest

from media_catalog.jobs import consumer
from media_catalog.models import Bucket, Image, Job, Preset, Rendition
from tests.jobs.announcing import message
from tests.lambda_function.events import s3_event, s3_record
from tests.pictures import jpeg

pytestmark = pytest.mark.database
MARKS = {"backoffice-preset": "thumbnail", "backoffice-width": "200", "backoffice-height": "150"}


@pytest.fixture
def by_lambda(originals) -> Bucket:
    Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
    return originals


@pytest.fixture
def arrive(by_lambda, cloud):
    """Writes an original and what the function would make of it, and announces the latter."""
    client = boto3.client("s3", endpoint_url=cloud.endpoint_url)

    def _arrive(key: str = "a.jpg", **marks: str) -> str:
        etag = client.put_object(Bucket=by_lambda.name, Key=key, Body=jpeg(800, 600))["ETag"].strip('"')
        named = {f"backoffice-{name.replace('_', '-')}": value for name, value in marks.items()}
        made = {**MARKS, "backoffice-source-etag": etag, **named}
        resized = by_lambda.renditions_bucket.name
        client.put_object(Bucket=resized, Key=key, Body=jpeg(200, 150), ContentType="image/jpeg", Metadata=made)
        assert len(consumer.take([message(s3_event(s3_record(resized, key)))])) == 1
        return etag

    yield _arrive
    client.close()


def test_original_and_thumbnail_are_catalogued_without_a_job(arrive, by_lambda, cloud):
    mark = cloud.access_log.mark()
    etag = arrive()

    rendition = Rendition.objects.get()
    assert (rendition.image.bucket, rendition.image.etag, rendition.image.width) == (by_lambda, etag, 800)
    assert (rendition.bucket, rendition.key) == (by_lambda.renditions_bucket, "a.jpg")
    assert (rendition.width, rendition.height, rendition.content_type) == (200, 150, "image/jpeg")
    assert list(rendition.image.renditions.current()) == [rendition]
    assert not Job.objects.exists()
    assert cloud.access_log.operations(mark) == {"PutObject": 2, "HeadObject": 1, "GetObject": 1}


def test_a_second_delivery_changes_nothing(arrive, by_lambda):
    arrive()
    before = Rendition.objects.values().get()
    consumer.take([message(s3_event(s3_record(by_lambda.renditions_bucket.name, "a.jpg")))])

    assert Rendition.objects.values().get() == before


def test_the_page_of_the_image_shows_it(arrive, admin_client):
    arrive()

    page = admin_client.get("/admin/media_catalog/image/").content.decode()
    assert f"/admin/media_catalog/image/{Image.objects.get().pk}/preview" in page


def test_one_of_another_width_than_the_preset_says_is_stale(arrive):
    """The function's width comes from its environment, which nobody has changed with the preset."""
    Preset.objects.filter(slug="thumbnail").update(width=240)
    arrive()

    assert not Rendition.objects.current().exists()


def test_one_of_an_older_original_is_stale(arrive):
    arrive(source_etag="0" * 32)

    assert not Image.objects.get().renditions.current().exists()


@pytest.mark.parametrize("marks", [{"preset": "card"}, {"width": ""}, {"height": "-1"}, {"width": "many"}])
def test_what_has_not_its_marks_is_left_alone(arrive, marks):
    arrive(**marks)

    assert not Rendition.objects.exists()


@pytest.mark.parametrize("key", [f"image/{'ab' * 16}_small.jpg", "low/a.jpg.0123456789ab-v1.jpg"])
def test_renditions_of_the_apis_uploads_and_of_presets_cost_nothing(arrive, cloud, key):
    """An older function may have written the thumbnail of an original over one: it is nobody's."""
    mark = cloud.access_log.mark()
    arrive(key)

    assert cloud.access_log.operations(mark) == {"PutObject": 2}
    assert not Rendition.objects.exists()


def test_a_thumbnail_whose_original_is_gone(arrive, by_lambda, cloud):
    resized = by_lambda.renditions_bucket.name
    client = boto3.client("s3", endpoint_url=cloud.endpoint_url)
    client.put_object(Bucket=resized, Key="b.jpg", Body=jpeg(200, 150), Metadata=MARKS)
    client.close()

    assert len(consumer.take([message(s3_event(s3_record(resized, "b.jpg")))])) == 1
    assert not Image.objects.exists()
