"""The inventory of a bucket, looked at without any request."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.models import Bucket, Image, InventoryObject, Leftover, TrashedObject
from media_catalog.services import inventory, inventory_list
from tests.reconciling import listed as seen
from tests.reconciling import uploads

from .buckets import page
from .inventories import full, shown, take

__all__ = ["full", "take"]
pytestmark = pytest.mark.database


def _of_all_kinds(bucket: Bucket) -> list[str]:
    """Keys of the bucket's entries: of each size, age and state."""
    scan = inventory.latest(bucket)
    InventoryObject.objects.filter(bucket=bucket).delete()
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
            bucket=bucket, key=key, etag="e", size=size, modified=modified, storage_class=storage, scan=scan,
            missing_since=missing,
        )  # fmt: skip
    Image.objects.create(
        bucket=bucket, key="photos/a.jpg", etag="e", size=0, content_type="image/jpeg", name="a", format="JPEG",
        width=1, height=1,
    )  # fmt: skip
    return [key for key, *_facts in facts]


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

    @pytest.mark.parametrize("counted", [inventory_list.COUNTED, 1])
    def test_search_sort_and_filters(self, full, admin_client, take, monkeypatch, counted):
        monkeypatch.setattr(inventory_list, "COUNTED", counted)
        take(full)
        a, b, c, d, z = _of_all_kinds(full)

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
        assert found(state="unknown", text="photos", how="contains") == {b, c}
        assert found(state="known", text="PHOTOS", how="contains") == {a}
        assert found(state="adoptable", text="o", how="contains") == set()  # b sleeps
        assert found(state="missing", text="photos", how="contains") == {d}
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
