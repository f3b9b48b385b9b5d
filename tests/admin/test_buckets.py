"""The list of buckets, the page of each, and who may see what."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.models import Bucket

from .buckets import LIST, new_bucket, page

PERMISSIONS = [
    "view_bucket",
    "add_bucket",
    "change_bucket",
    "delete_bucket",
    "sync_bucket",
    "empty_bucket",
    "adopt_objects",
    "browse_objects",
    "write_objects",
    "delete_objects",
]
# (page, method) → the permissions of which each alone is too little, all together enough.
NEEDED = {
    ("settings", "get"): {"change_bucket"},
    ("check", "post"): {"sync_bucket"},
    ("fix", "post"): {"change_bucket"},
    ("take_inventory", "post"): {"sync_bucket"},
    ("reconcile", "post"): {"sync_bucket"},
    ("inventory", "get"): {"browse_objects"},
    ("adopt", "get"): {"browse_objects", "adopt_objects"},
    ("delete", "get"): {"view_bucket", "delete_bucket"},
    ("objects", "get"): {"browse_objects"},
    ("object", "get"): {"browse_objects"},
    ("download", "get"): {"browse_objects"},
    ("picture", "get"): {"browse_objects"},
    ("upload", "post"): {"browse_objects", "write_objects"},
    ("copy", "get"): {"browse_objects", "write_objects"},
    ("remove", "post"): {"browse_objects", "delete_objects"},
}


def _text(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_the_list_says_what_is_known(admin_client, originals):
    Bucket.objects.filter(pk=originals.pk).update(
        object_count=1234,
        byte_count=5 * 1024**2,
        counted_at=timezone.now(),
        health={"cors": {"level": "warn", "code": "closed"}, "list": {"level": "bad", "code": "denied"}},
    )
    text = _text(admin_client.get(LIST))

    for said in (
        originals.name,
        "Originals",
        "us-east-1",
        "1,234",
        "5.0 MB",
        "Bad",
        "Not checked",
    ):
        assert said in text


def test_list_and_page_cost_no_request_and_few_queries(admin_client, originals, cloud):
    for number in range(20):
        Bucket.objects.create(name=f"bucket-{number}", health={"list": {"level": "good", "code": "allowed"}})
    mark = cloud.access_log.mark()
    with CaptureQueriesContext(connection) as queries:
        assert admin_client.get(LIST).status_code == 200
    assert len(queries) <= 8
    with CaptureQueriesContext(connection) as queries:
        assert admin_client.get(page(originals)).status_code == 200
    assert len(queries) <= 10
    assert not cloud.access_log.since(mark)


def test_the_page_of_a_bucket_shows_only_what_one_may(client, originals, staff_with):
    client.force_login(staff_with("view_bucket"))
    shown = client.get(page(originals)).content.decode()
    for name in ("settings", "check", "take_inventory", "inventory", "delete", "objects"):
        assert page(originals, name) not in shown

    client.force_login(staff_with(*PERMISSIONS))
    shown = client.get(page(originals)).content.decode()
    for name in ("settings", "check", "take_inventory", "inventory", "delete", "objects"):
        assert page(originals, name) in shown


@pytest.mark.parametrize(("name", "method"), NEEDED)
def test_each_page_needs_all_its_permissions(client, staff_with, originals, cloud, name, method):
    needed = NEEDED[name, method]
    mark = cloud.access_log.mark()
    for missing in needed:
        others = [permission for permission in PERMISSIONS if permission != missing]
        if (name, missing) == ("delete", "delete_bucket"):
            others.remove("empty_bucket")
        client.force_login(staff_with(*others))
        assert getattr(client, method)(page(originals, name, key="a")).status_code == 403
    assert not cloud.access_log.since(mark)

    client.force_login(staff_with(*needed))
    assert getattr(client, method)(page(originals, name, key="a")).status_code in {200, 302, 404}


@pytest.mark.parametrize(("name", "method"), [key for key in NEEDED if key[1] == "post"])
def test_what_changes_something_is_no_get(admin_client, originals, cloud, name, method):
    mark = cloud.access_log.mark()
    assert admin_client.get(page(originals, name)).status_code == 405
    assert not cloud.access_log.since(mark)


@pytest.mark.parametrize("name", [name for name, _method in NEEDED])
def test_no_page_is_for_strangers(client, originals, name):
    assert client.post(page(originals, name)).url.startswith("/admin/login/")


def test_a_bucket_that_is_not_known_is_not_found(admin_client, db):
    assert admin_client.get("/admin/media_catalog/bucket/99/objects/").status_code == 404


STRICT = ["change", "settings", "delete", "objects", "object", "copy"]


@pytest.mark.parametrize("name", STRICT)
def test_every_page_is_strict(admin_client, originals, name):
    response = admin_client.get(page(new_bucket(), name, key="a/b"))

    assert response.status_code == 200
    assert "unsafe" not in response["Content-Security-Policy"]
    shown = response.content.decode()
    assert not re.search(r"<script(?![^>]*\b(src|type=.application/json))", shown)
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", shown)
