"""Inventories of buckets, as tests of them need them."""

import pytest

from media_catalog.aws import bucket_settings, s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, InventoryObject, Job, JobItem, RequestLimit
from tests.listing import list_server

from .buckets import new_bucket, page, put


@pytest.fixture
def take(admin_client, work):
    """Takes the inventory of a bucket through its page; the job's item."""

    def _take(bucket: Bucket) -> JobItem:
        admin_client.post(page(bucket, "take_inventory"))
        work()
        bucket.refresh_from_db()
        return Job.objects.filter(kind="sync_inventory").latest("pk").items.get()

    return _take


@pytest.fixture
def full(originals, line_end):
    """Versions, a deleted object and odd keys: five objects."""
    bucket = new_bucket()
    bucket_settings.put_versioning(bucket.name, on=True)
    for key in ("a", "b/c", "b/d", "a", "b/c", f"new{line_end}line", "//x/../y", "ÄÖ +%2F😀"):
        put(bucket, key)
    s3.delete_object(bucket.name, "b/d")
    return bucket


@pytest.fixture
def listed(db, settings):
    """A synthetic S3 and a bucket of it."""
    RequestLimit.objects.update(limit=1_000_000)
    with list_server() as server:
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        yield server, Bucket.objects.create(name="listed")
        forget_clients()


def rows(bucket: Bucket, **conditions: object) -> list[str]:
    return sorted(InventoryObject.objects.filter(bucket=bucket, **conditions).values_list("key", flat=True))


def shown(client, bucket: Bucket, **query: str) -> list[str]:
    return [row.row.key for row in client.get(page(bucket, "inventory", **query)).context["rows"]]
