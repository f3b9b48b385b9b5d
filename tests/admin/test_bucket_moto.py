"""The life of a bucket against an S3 that others wrote."""

import pytest

from media_catalog.aws import listing
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, Job, RequestLimit
from tests.moto import moto_url

from .buckets import ADD, page, put
from .test_bucket_create import creation

__all__ = ["moto_url"]


@pytest.fixture
def moto(moto_url, settings, db):
    settings.AWS_ENDPOINT_URL = moto_url
    forget_clients()
    RequestLimit.objects.update(limit=1_000_000)


@pytest.mark.usefixtures("moto")
def test_create_check_mend_count_empty_and_delete(admin_client, work):
    data = creation(confirm="1")
    admin_client.post(ADD, data)
    bucket = Bucket.objects.get(name=data["name"])
    admin_client.post(page(bucket, "check"))
    bucket.refresh_from_db()
    assert {finding["level"] for finding in bucket.health.values()} == {"good"}
    assert listing.list_versions(bucket.name).versions == []

    for key in ("a", "a", "b/c"):
        put(bucket, key)
    admin_client.post(page(bucket, "take_inventory"))
    work()
    bucket.refresh_from_db()
    assert (bucket.object_count, bucket.entry_count) == (2, 3)
    admin_client.post(page(bucket, "delete"), {"delete": "1"})
    assert Bucket.objects.filter(pk=bucket.pk).exists()

    admin_client.post(page(bucket, "delete"), {"empty": "1", "name": bucket.name})
    work()

    assert Job.objects.get(kind="empty_bucket").items.get().state == "done"
    assert not Bucket.objects.filter(pk=bucket.pk).exists()
