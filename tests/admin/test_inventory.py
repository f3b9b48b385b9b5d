"""The inventory of a bucket, taken by a job."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.aws import listing, s3
from media_catalog.aws.client import forget_clients
from media_catalog.jobs import control, schedules
from media_catalog.models import (
    BlockedRequest,
    Bucket,
    InventoryObject,
    Job,
    JobItem,
    RequestCounter,
    RequestLimit,
    Scan,
)
from media_catalog.services import bucket_removal, inventory
from tests.aws.faults import Answer, serving

from .buckets import messages_of, new_bucket, page, put
from .inventories import full, listed, rows, take

__all__ = ["full", "listed", "take"]
pytestmark = pytest.mark.database


class TestTaking:
    def test_fills_rows_and_totals_at_one_list_for_a_thousand(self, take, full, cloud, line_end):
        mark = cloud.access_log.mark()
        item = take(full)

        assert cloud.access_log.operations(mark) == {"ListObjectVersions": 1}
        assert (item.state, item.message) == ("done", "9 entries listed. 0 findings are open.")
        assert item.job.estimate == {"s3_tier1": 1} == item.requests
        assert (full.object_count, full.entry_count, full.byte_count) == (5, 9, 8 * len(b"content"))
        assert rows(full) == sorted(["a", "b/c", f"new{line_end}line", "//x/../y", "ÄÖ +%2F😀"])
        row = InventoryObject.objects.get(bucket=full, key="a")
        held = s3.head_object(full.name, "a")
        assert held
        assert (row.etag, row.size, row.storage_class) == (held.etag, 7, "STANDARD")
        assert LogEntry.objects.filter(change_message__contains="Inventory of").exists()

    def test_updates_adds_and_marks_what_is_gone_and_what_comes_back(self, take, full):
        take(full)
        put(full, "a", b"longer content")
        put(full, "new")
        s3.delete_object(full.name, "b/c")
        take(full)

        scan = inventory.latest(full)
        assert scan
        assert (scan.added, scan.lost) == (1, 1)
        assert rows(full, missing_since__isnull=False) == ["b/c"]
        assert InventoryObject.objects.get(bucket=full, key="a").size == len(b"longer content")
        put(full, "b/c")
        take(full)
        assert rows(full, missing_since__isnull=False) == []

    def test_forgets_in_the_end_what_is_long_gone(self, take, full):
        take(full)
        s3.delete_object(full.name, "b/c")
        take(full)
        InventoryObject.objects.filter(key="b/c").update(missing_since=timezone.now() - timedelta(days=91))
        take(full)

        assert "b/c" not in rows(full)

    def test_only_one_at_a_time(self, admin_client, full):
        admin_client.post(page(full, "take_inventory"))
        response = admin_client.post(page(full, "take_inventory"), follow=True)

        assert messages_of(response) == ["This is under way already."]
        assert Job.objects.filter(kind="sync_inventory").count() == 1

    def test_where_it_does_not_fit_the_numbers_are_shown_and_it_can_be_parked(self, admin_client, full, work):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=1)
        shown = admin_client.post(page(full, "take_inventory")).content.decode()
        for words in ("does not fit into the quota", "1 too many: 0 are left", "Park it until"):
            assert words in shown
        assert not Job.objects.exists()

        admin_client.post(page(full, "take_inventory"), {"park": "1"})
        assert Job.objects.get().state == "parked"
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=1000)
        assert schedules.start_parked() == 1
        work()
        assert JobItem.objects.get().state == "done"

    def test_what_is_left_before_and_after_is_beside_the_button(self, admin_client, full):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=50_000, headroom=1000)
        used = RequestCounter.objects.get(request_class="s3_tier1", period="month").used
        words = f"{49_000 - used:,} of 50,000 left for jobs before, {48_999 - used:,} after"
        assert words in admin_client.get(page(full)).content.decode()

    def test_has_a_permission(self, client, full, staff_with):
        client.force_login(staff_with("view_bucket", "browse_objects"))
        assert client.post(page(full, "take_inventory")).status_code == 403
        assert client.post(page(full, "reconcile")).status_code == 403
        assert client.get(page(full, "take_inventory")).status_code == 403
        assert "Take inventory" not in client.get(page(full, "inventory")).content.decode()

    def test_of_a_bucket_without_a_row_is_skipped(self, admin_client, originals, work):
        bucket = new_bucket()
        for name in ("take_inventory", "reconcile"):
            admin_client.post(page(bucket, name))
        Bucket.objects.filter(pk=bucket.pk).delete()
        work()

        assert set(JobItem.objects.values_list("code", flat=True)) == {"gone"}


class TestFaults:
    def test_a_list_that_breaks_off_says_nothing_of_what_is_missing(self, listed, take, work, settings):
        server, bucket = listed
        server.keys = [f"{number:05}" for number in range(2500)]
        assert take(bucket).state == "done"
        settings.JOB_ITEM_ATTEMPTS = 1
        server.keys, server.pages = [f"{number:05}" for number in range(1500)], len(server.lists) + 1
        item = take(bucket)

        assert (item.state, item.code) == ("failed", "unavailable")
        assert rows(bucket, missing_since__isnull=False) == []
        assert bucket.object_count == 2500

        server.pages = None
        assert take(bucket).state == "done"
        assert len(rows(bucket, missing_since__isnull=False)) == 1000
        assert bucket.object_count == 1500

    def test_one_that_may_pass_goes_on_where_it_stopped(self, listed, take, work):
        server, bucket = listed
        server.keys, server.pages = [f"{number:05}" for number in range(2500)], 2
        assert take(bucket).state == "queued"
        refused = len(server.lists) - 2
        server.pages = None
        JobItem.objects.update(not_before=None)
        work()

        assert JobItem.objects.get().state == "done"
        assert len(server.lists) == 3 + refused
        assert len(rows(bucket)) == 2500

    def test_another_goes_on_where_one_that_failed_has_stopped(self, listed, take, settings):
        server, bucket = listed
        settings.JOB_ITEM_ATTEMPTS = 1
        server.keys, server.pages = [f"{number:05}" for number in range(2500)], 2
        assert take(bucket).state == "failed"
        refused = len(server.lists) - 2
        server.pages = None

        assert take(bucket).state == "done"
        assert len(server.lists) == 3 + refused
        assert (bucket.object_count, len(rows(bucket, missing_since=None))) == (2500, 2500)

    def test_but_not_where_it_stopped_long_ago(self, listed, take, settings):
        server, bucket = listed
        settings.JOB_ITEM_ATTEMPTS = 1
        server.keys, server.pages = [f"{number:05}" for number in range(2500)], 2
        take(bucket)
        refused = len(server.lists) - 2
        server.pages = None
        Scan.objects.update(started_at=timezone.now() - timedelta(days=2))

        assert take(bucket).state == "done"
        assert len(server.lists) == 5 + refused
        assert [scan.state for scan in Scan.objects.order_by("pk")] == ["replaced", "complete"]

    def test_one_that_a_limit_stops_is_parked_and_goes_on(self, listed, take, work):
        server, bucket = listed
        server.keys = [f"{number:05}" for number in range(2500)]
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=2)
        item = take(bucket)
        assert (item.state, item.code, item.job.state) == ("parked", "quota", "parked")
        assert len(server.lists) == 2

        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=100)
        assert schedules.start_parked() == 1
        work()
        assert JobItem.objects.get().state == "done"
        assert len(server.lists) == 3
        assert len(rows(bucket)) == 2500

    def test_what_it_will_take_is_not_known_before_the_first(self, full, take, admin_client):
        assert (
            "at least 1 PUT-class request: how many is not known yet" in admin_client.get(page(full)).content.decode()
        )
        take(full)
        assert "about 1 PUT-class request" in admin_client.get(page(full)).content.decode()

    def test_an_answer_that_does_not_say_whether_it_is_the_last(self, take, full, settings):
        take(full)
        settings.JOB_ITEM_ATTEMPTS = 1
        empty = Answer(body=b"<ListVersionsResult></ListVersionsResult>")
        cut = Answer(body=b"<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>")
        for answer in (empty, cut):
            with serving() as server:
                server.script.extend([answer] * 3)
                settings.AWS_ENDPOINT_URL = server.url
                forget_clients()
                assert take(full).state == "failed"
        assert rows(full, missing_since__isnull=False) == []

    def test_a_bucket_that_is_gone_is_said_and_nothing_is_missing(self, take, full):
        take(full)
        Bucket.objects.filter(pk=full.pk).update(name="gone-for-ever-9")
        item = take(Bucket.objects.get(pk=full.pk))

        assert (item.state, item.code) == ("failed", "not_found")
        assert rows(full, missing_since__isnull=False) == []
        assert Bucket.objects.get(pk=full.pk).missing_since

    def test_one_that_was_replaced_writes_nothing_any_more(self, full, monkeypatch):
        original = listing.list_versions

        def list_while_another_begins(name, **options):
            found = original(name, **options)
            monkeypatch.setattr(listing, "list_versions", original)
            inventory.sync(full, run="two")
            return found

        monkeypatch.setattr(listing, "list_versions", list_while_another_begins)
        with pytest.raises(inventory.Replaced):
            inventory.sync(full, run="one")

        assert [scan.state for scan in Scan.objects.order_by("pk")] == ["replaced", "complete"]
        assert rows(full, scan__run="one") == []
        with pytest.raises(inventory.Replaced):
            inventory.sync(full, run="one")

    def test_cancelled_in_the_middle_it_leaves_what_was_seen(self, listed, admin_client, work, monkeypatch):
        server, bucket = listed
        server.keys = [f"{number:05}" for number in range(2500)]
        monkeypatch.setattr(inventory, "TURN_SECONDS", 0)
        admin_client.post(page(bucket, "take_inventory"))
        work()
        shown_now = admin_client.get(page(bucket, "inventory")).content.decode()
        assert "has listed 1,000 entries so far" in shown_now
        control.cancel(Job.objects.get(), by="admin")
        JobItem.objects.update(not_before=None)
        work()

        assert Job.objects.get().state == Job.State.CANCELLED
        assert len(rows(bucket)) == 1000
        assert inventory.latest(bucket) is None
        assert len(server.lists) == 1

    def test_keys_with_nul_are_counted_and_said(self, listed, take, admin_client):
        """Where a page ends with one, the scan goes on all the same."""
        server, bucket = listed
        server.keys = [f"{number:05}" for number in range(999)] + ["with\x00nul", "z"]

        assert take(bucket).state == "done"
        assert (bucket.object_count, len(rows(bucket))) == (1001, 1000)
        assert "1 key holds the character NUL" in admin_client.get(page(bucket, "inventory")).content.decode()
        # Three lists and one deletion of 999; one of the key with NUL, one of the last, and one of the bucket.
        assert bucket_removal.empty_cost(bucket) == {"s3_tier1": 4, "free": 4}


class TestByTheClock:
    @pytest.fixture
    def clock(self):
        return schedules.take_inventories

    def test_only_where_it_is_wanted_and_due(self, full, clock, work, admin_client):
        assert clock() == 0
        form = {"upload_rule": "none", "rule_width": 1, "rule_height": 1, "resize_engine": "worker"}
        admin_client.post(page(full), {**form, "inventory_every": "24"})
        assert clock() == 1
        assert clock() == 0  # under way
        work()
        assert Job.objects.get().requested_by is None
        assert JobItem.objects.get().state == "done"
        assert clock() == 0

        Bucket.objects.filter(pk=full.pk).update(counted_at=timezone.now() - timedelta(hours=25))
        assert clock() == 0  # one that has just failed would be tried again only after a while
        Scan.objects.update(started_at=timezone.now() - timedelta(hours=7))
        assert clock() == 1

    def test_what_does_not_fit_is_tried_again_next_time(self, full, clock):
        Bucket.objects.filter(pk=full.pk).update(inventory_every=24)
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        assert clock() == 0
        assert not Job.objects.exists()
        refused = BlockedRequest.objects.get()
        assert (refused.operation, refused.bucket, refused.action) == ("sync_inventory", full.name, "inventories")
