"""The inventory of a bucket: taken by a job, and looked at without any request."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.aws import bucket_settings, listing, s3
from media_catalog.aws.client import forget_clients
from media_catalog.jobs import control, schedules
from media_catalog.models import (
    BlockedRequest,
    Bucket,
    Image,
    InventoryObject,
    Job,
    JobItem,
    Leftover,
    RequestLimit,
    Scan,
    TrashedObject,
)
from media_catalog.services import inventory, inventory_list
from tests.aws.faults import Answer, serving
from tests.listing import list_server
from tests.reconciling import listed as seen
from tests.reconciling import uploads

from .buckets import messages_of, new_bucket, page, put

pytestmark = pytest.mark.database


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

    def test_a_limit_refuses_it(self, admin_client, full):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        response = admin_client.post(page(full, "take_inventory"), follow=True)

        assert "does not fit into the quota" in messages_of(response)[0]
        assert not Job.objects.exists()

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


class TestPage:
    def test_costs_no_request_and_links_to_the_objects(self, take, full, admin_client, cloud, line_end):
        take(full)
        mark = cloud.access_log.mark()
        response = admin_client.get(page(full, "inventory"))

        assert not cloud.access_log.since(mark)
        content = response.content.decode()
        shown_end = chr(ord("␀") + ord(line_end))
        for text in ("Taken on", "5 objects", f"new{shown_end}line", page(full, "objects"), "//x/../y"):
            assert text in content
        for row in response.context["rows"]:
            opened = admin_client.get(row.url)
            assert opened.context["details"].size == row.row.size
        assert page(full, "inventory") in admin_client.get(page(full, "objects")).content.decode()
        assert page(full, "inventory") in admin_client.get(page(full)).content.decode()

    def test_before_the_first(self, originals, admin_client):
        content = admin_client.get(page(originals, "inventory")).content.decode()
        assert "No inventory was taken yet." in content
        assert "searching, sorting and filtering cost no request" in content

    def test_search_sort_and_filters(self, full, admin_client, take):
        take(full)
        scan = inventory.latest(full)
        InventoryObject.objects.filter(bucket=full).delete()
        now = timezone.now()
        facts = [
            ("photos/a.jpg", 0, now, "STANDARD", None),
            ("photos/B_1.jpg", 500, now - timedelta(days=3), "GLACIER", None),
            ("Photos/c%.txt", 200 * 1024, now - timedelta(days=20), "STANDARD", None),
            ("x/photos/d.png", 2 * 1024**2, now - timedelta(days=200), "STANDARD_IA", now),
            ("z", 20 * 1024**2, now - timedelta(days=900), "STANDARD", None),
        ]
        for key, size, modified, storage, missing in facts:
            InventoryObject.objects.create(
                bucket=full, key=key, etag="e", size=size, modified=modified, storage_class=storage, scan=scan,
                missing_since=missing,
            )  # fmt: skip
        Image.objects.create(
            bucket=full, key="photos/a.jpg", etag="e", size=0, content_type="image/jpeg", name="a", format="JPEG",
            width=1, height=1,
        )  # fmt: skip
        a, b, c, d, z = [key for key, *_facts in facts]

        def found(**query: str) -> set[str]:
            return set(shown(admin_client, full, **query))

        assert found(text="photos/") == {a, b}
        assert found(text="photos/", how="contains") == {a, b, c, d}
        assert found(text="c%", how="contains") == {c}
        assert found(text="b_1", how="contains") == {b}
        assert found(text="\x00pho") == found(text="pho") == {a, b}
        assert found(size="empty") == {a}
        assert found(size="small") == {b}
        assert found(size="medium") == {c}
        assert found(size="large") == {d}
        assert found(size="huge") == {z}
        assert found(age="week") == {a, b}
        assert found(age="year") == {a, b, c, d}
        assert found(storage="GLACIER") == {b}
        assert found(state="known") == {a}
        assert found(state="unknown") == {b, c, z}
        assert found(state="missing") == {d}
        assert found(state="nonsense", size="\x00", storage="'", sort="x", after="\x00") == {a, b, c, d, z}
        assert shown(admin_client, full, sort="size") == [a, b, c, d, z]
        assert shown(admin_client, full, sort="size", order="down") == [z, d, c, b, a]
        assert shown(admin_client, full, sort="modified") == [z, d, c, b, a]
        content = admin_client.get(page(full, "inventory", text="none")).content.decode()
        assert "No object is like this." in content

    def test_what_is_put_aside_or_on_its_way_is_not_called_unknown(self, originals, admin_client):
        seen(originals, ["new", "sent", "trash/2026-01-01/0", "quarantine/1/x", "trashed", "going"])
        uploads(originals, ["sent"])
        Leftover.objects.create(bucket=originals, key="going")
        facts = {"bucket": originals, "trash_key": "trash/1", "size": 1, "etag": "e"}
        TrashedObject.objects.create(**facts, key="trashed", state=TrashedObject.State.MOVING)
        assert shown(admin_client, originals, state="unknown") == ["new"]

    def test_pages_go_forth_and_back_in_every_order(self, full, admin_client, take, monkeypatch):
        monkeypatch.setattr(inventory_list, "PAGE_SIZE", 2)
        take(full)
        for sort in inventory_list.SORTS:
            for order in ("", "down"):
                first = address = page(full, "inventory", sort=sort, order=order)
                forth, seen = [address], []
                while address:
                    response = admin_client.get(address)
                    seen.append([row.row.key for row in response.context["rows"]])
                    address = response.context["next_url"]
                    forth.append(address)
                assert len([key for keys in seen for key in keys]) == 5
                assert len({key for keys in seen for key in keys}) == 5
                back = [seen[-1]]
                while address := response.context["back_url"]:
                    response = admin_client.get(address)
                    back.append([row.row.key for row in response.context["rows"]])
                assert back == seen[::-1], (sort, order)
                assert admin_client.get(first).context["back_url"] == ""

    def test_of_many_takes_as_many_queries_as_of_a_few(self, full, admin_client, take):
        take(full)
        with CaptureQueriesContext(connection) as few:
            admin_client.get(page(full, "inventory"))
        scan = inventory.latest(full)
        InventoryObject.objects.bulk_create(
            (
                InventoryObject(
                    bucket=full, key=f"many/{number:06}", etag="e", size=number % 999, modified=timezone.now(),
                    storage_class="STANDARD", scan=scan,
                )
                for number in range(10_500)
            ),
            batch_size=2000,
        )  # fmt: skip
        with CaptureQueriesContext(connection) as many:
            response = admin_client.get(page(full, "inventory", sort="size", text="many/"))
            admin_client.get(response.context["next_url"])

        assert "More than 10,000 objects" in response.content.decode()
        assert len(many) <= 2 * len(few) + 2

    def test_needs_the_permission_to_browse(self, client, full, staff_with):
        client.force_login(staff_with("view_bucket"))
        assert client.get(page(full, "inventory")).status_code == 403

    def test_nothing_is_inline(self, full, admin_client, take):
        take(full)
        content = admin_client.get(page(full, "inventory")).content.decode()
        assert not re.search(r"\son\w+=|\sstyle=", content)
