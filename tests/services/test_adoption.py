"""Counting what may be catalogued: as the database goes about it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.models import Bucket, Image, InventoryObject, Scan, Upload
from media_catalog.services import adoption
from media_catalog.services.planner import joining_whole_tables

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def bucket() -> Bucket:
    """Of six objects two may be images by their names, and one more by what it is."""
    bucket = Bucket.objects.create(name="archive", role="originals")
    scan = Scan.objects.create(bucket=bucket, run="r", state="complete")
    facts = {"bucket": bucket, "etag": "e", "size": 1, "modified": timezone.now(), "scan": scan}
    keys = ["a.JPG", "b.tiff", "no-ending", "image.jpg", "coming.jpg", "trash/old.jpg"]
    InventoryObject.objects.bulk_create(InventoryObject(key=key, storage_class="STANDARD", **facts) for key in keys)
    pixels = {"width": 1, "height": 1, "etag": "e", "size": 1, "content_type": "image/jpeg"}
    Image.objects.create(bucket=bucket, key="image.jpg", format="JPEG", **pixels)
    Upload.objects.create(bucket=bucket, key="coming.jpg", name="coming.jpg")
    return bucket


def test_both_counts_are_those_of_the_lists(bucket):
    counted = adoption.count(bucket)

    for any_name, keys in [(False, {"a.JPG", "b.tiff"}), (True, {"a.JPG", "b.tiff", "no-ending"})]:
        assert {row.key for row in adoption.candidates(bucket, any_name=any_name)} == keys
        assert counted.of(any_name=any_name) == len(keys)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about its planner")
def test_no_table_is_gone_through_for_each_object(bucket):
    """Whatever its statistics say: they know nothing of these rows."""
    with CaptureQueriesContext(connection) as queries:
        adoption.count(bucket)
    [counting] = [query["sql"] for query in queries if "media_catalog_inventoryobject" in query["sql"]]
    with joining_whole_tables(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {counting}")
        plan = " ".join(line for [line] in cursor.fetchall())
        assert "SubPlan" not in plan
        assert "Nested Loop" not in plan
        assert "Anti Join" in plan

    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_nestloop")
        assert cursor.fetchone() == ("on",)
