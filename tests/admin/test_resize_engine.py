"""Who makes the renditions of what arrives in a bucket: set by those who may, and then kept to."""

import pytest
from django.contrib.admin.models import LogEntry

from media_catalog.jobs.schedules import settle_uploads
from media_catalog.models import Bucket, Image, Job
from tests.pictures import jpeg, upload_file
from tests.services.objects import BODY, stale_upload

BUCKETS = "/admin/media_catalog/bucket/"

RULE = {"upload_rule": "none", "rule_width": "1024", "rule_height": "786", "inventory_every": "0"}


@pytest.fixture
def by_lambda(originals) -> Bucket:
    Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
    originals.refresh_from_db()
    return originals


def test_it_is_set_with_the_permission_to_change_buckets(client, originals, staff_with):
    change = f"{BUCKETS}{originals.pk}/change/"
    client.force_login(staff_with("view_bucket"))
    assert client.post(change, {"resize_engine": "lambda"}).status_code == 403

    client.force_login(staff_with("view_bucket", "change_bucket"))
    client.post(change, RULE | {"resize_engine": "lambda"})
    originals.refresh_from_db()
    assert originals.resize_engine == Bucket.ResizeEngine.LAMBDA
    assert "Resize engine" in LogEntry.objects.get().get_change_message()
    shown = client.get(f"{BUCKETS}?resize_engine__exact=lambda").context["cl"].result_list
    assert [bucket.name for bucket in shown] == [originals.name]


def test_an_unknown_engine_is_refused(admin_client, originals):
    page = admin_client.post(f"{BUCKETS}{originals.pk}/change/", RULE | {"resize_engine": "magic"})

    assert "not one of the available choices" in page.content.decode()


def test_an_upload_starts_no_job_for_the_lambdas_bucket(admin_client, by_lambda):
    page = admin_client.post(
        "/admin/media_catalog/image/add/",
        {"images": [upload_file(jpeg())], "bucket": by_lambda.pk, "make_renditions": "on"},
        follow=True,
    )

    assert "The Lambda function makes their thumbnails." in page.content.decode()
    assert Image.objects.exists()
    assert not Job.objects.exists()


def test_nor_does_an_upload_that_is_recovered(by_lambda):
    stale_upload(by_lambda, "a.jpg", BODY)

    assert settle_uploads() == 1
    assert not Job.objects.exists()
