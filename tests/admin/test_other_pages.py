"""Index, buckets, presets and limits; and what holds for every page."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from media_catalog.models import Bucket, Job, Preset, RequestClass, RequestLimit
from media_catalog.quota.meter import spend

PAGES = [
    "",
    "media_catalog/bucket/",
    "media_catalog/image/",
    "media_catalog/image/add/",
    "media_catalog/face/",
    "media_catalog/job/",
    "media_catalog/schedulerun/",
    "media_catalog/trashedobject/",
    "media_catalog/preset/",
    "media_catalog/preset/1/change/",
    "media_catalog/requestlimit/",
    "media_catalog/requestlimit/1/change/",
    "media_catalog/blockedrequest/",
    "media_catalog/auditevent/",
    "auth/user/",
    "password_change/",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_strict(admin_client, originals, path):
    response = admin_client.get(f"/admin/{path}")

    assert response.status_code == 200
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert not re.search(r"<script(?![^>]*\b(src|type=.application/json))", page)
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page)
    assert "<style" not in page


@pytest.mark.database
@pytest.mark.parametrize(
    "query",
    [
        "image/?format=%00",
        "image/?state=%00",
        "image/?state=faces%00",
        "image/?q=%00",
        "image/?key=%00",
        "image/?created_at__gte=%00",
        "image/?o=%00",
        "image/?p=%00",
        "image/?%00=1",
        "job/?kind=%00",
        "job/?requester=%00",
        "job/?q=%00",
        "job/?state__exact=%00",
        "job/?state__exact=finished%00",
        "bucket/?role__exact=%00",
        "bucket/?role__in=%00,%00",
        "bucket/?legal_hold__exact=%00",
        "preset/?mode__exact=%00",
        "trashedobject/?q=%00",
        "trashedobject/?what=%00",
        "requestlimit/?source=%00",
        "blockedrequest/?q=%00",
        "blockedrequest/?q=%23x",
        "face/?confidence=%00",
        "face/?detector=%00",
        "face/export/?confidence=%00",
        "face/export/?q=%00",
        "face/export/?id=%00",
    ],
)
def test_nul_in_the_address_is_no_error(admin_client, query):
    """PostgreSQL refuses it in a text."""
    assert admin_client.get(f"/admin/media_catalog/{query}", follow=True).status_code == 200


@pytest.mark.parametrize(
    ("path", "words"), [("/nowhere/", "There is nothing at this address."), ("/admin/auth/user/", "may not do this")]
)
def test_refusals_are_pages_with_a_way_back(client, staff_with, path, words):
    client.force_login(staff_with("view_image"))
    page = client.get(path).content.decode()
    assert words in page
    assert '<a href="/admin/" class="bo-button">Overview</a>' in page


def test_an_expired_form_is_a_page_with_a_way_back(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    page = client.post("/admin/media_catalog/bucket/sync/").content.decode()
    assert "The form has expired" in page
    assert '<a href="/admin/" class="bo-button">Overview</a>' in page


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_for_strangers(client, db, path):
    assert client.get(f"/admin/{path}").url.startswith("/admin/login/")


def test_the_start_page_leads_to_the_admin(client):
    assert client.get("/").url == "/admin/"


class TestQuotaSummary:
    def test_used_limit_left_and_reset_in_words(self, admin_client, db):
        RequestLimit.objects.filter(request_class=RequestClass.S3_TIER1).update(limit=10)
        for _time in range(8):
            spend("s3", "PutObject")

        page = admin_client.get("/admin/").content.decode()

        text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
        assert "S3 PUT, COPY, POST, LIST" in text
        assert re.search(r"8 of 10", text)
        assert re.search(r"2 left", text)
        assert "Resets on" in text
        assert "(UTC)" in text

    def test_without_a_limit_it_says_so(self, admin_client, db):
        RequestLimit.objects.filter(request_class=RequestClass.REKOGNITION_IMAGE).delete()

        spend("rekognition", "DetectFaces")

        assert "no limit" in admin_client.get("/admin/").content.decode().lower()


class TestMyJobs:
    def _job(self, user, **fields) -> Job:
        return Job.objects.create(kind="make_renditions", requested_by=user, **fields)

    def test_own_jobs_with_progress_and_failures(self, admin_client, admin_user, staff_with):
        self._job(admin_user, state="finished", counts={"done": 3, "failed": 1})
        running = self._job(admin_user, state="running")
        for state in ("done", "queued"):
            running.items.create(target="x", state=state)
        other = self._job(staff_with())

        page = admin_client.get("/admin/").content.decode()

        for words in ("4 of 4 processed, 1 failed", 'value="50"', f'data-live="{running.pk}"'):
            assert words in page
        assert f"job/{other.pk}/change/" not in page

    def test_no_items_are_counted_of_jobs_that_are_over(self, admin_client, admin_user, django_assert_num_queries):
        admin_client.get("/admin/")
        with CaptureQueriesContext(connection) as without:
            admin_client.get("/admin/")
        for _number in range(9):
            self._job(admin_user, state="finished", counts={"done": 10_000})
        with django_assert_num_queries(len(without)):
            assert admin_client.get("/admin/").content.decode().count("10,000 of 10,000 processed") == 5


class TestBuckets:
    def test_sync_is_a_job_by_post_with_its_permission(self, client, originals, staff_with, work):
        client.force_login(staff_with("view_bucket"))
        sync = "/admin/media_catalog/bucket/sync/"
        assert "sync/" not in client.get("/admin/media_catalog/bucket/").content.decode()
        assert client.post(sync).status_code == 403

        client.force_login(staff_with("view_bucket", "sync_bucket"))
        assert "sync/" in client.get("/admin/media_catalog/bucket/").content.decode()
        assert client.get(sync).status_code == 405
        assert client.post(sync).status_code == 302
        work()
        assert Job.objects.get().items.get().state == "done"

    def test_missing_buckets_are_said(self, admin_client, originals):
        Bucket.objects.filter(pk=originals.pk).update(missing_since="2026-01-01T00:00:00Z")
        assert "Missing at S3" in admin_client.get("/admin/media_catalog/bucket/").content.decode()

    def test_what_comes_from_s3_is_read_only(self, admin_client, originals):
        change = f"/admin/media_catalog/bucket/{originals.pk}/change/"
        assert admin_client.get(change).status_code == 200
        rule = {"upload_rule": "none", "rule_width": "1024", "rule_height": "786", "inventory_every": "0"}
        values = {"name": "x", "role": "static", "missing_since": "2026-01-01", "resize_engine": "lambda", **rule}
        admin_client.post(change, values)
        assert Bucket.objects.filter(name=originals.name, role=originals.role, missing_since=None).exists()


class TestPresets:
    def _save(self, client, preset, **changes):
        fields = ("name", "width", "height", "mode", "format", "quality", "background")
        data = {"blur": "0"} | {name: getattr(preset, name) or "" for name in fields} | {"active": "on"} | changes
        return client.post(f"/admin/media_catalog/preset/{preset.pk}/change/", data)

    def test_a_change_of_pixels_raises_the_version_and_a_name_does_not(self, admin_client, db):
        preset = Preset.objects.get(slug="low")
        self._save(admin_client, preset, name="Tiny")
        preset.refresh_from_db()
        assert (preset.name, preset.version) == ("Tiny", 1)

        self._save(admin_client, preset, quality="60")
        preset.refresh_from_db()
        assert (preset.quality, preset.version, preset.slug) == (60, 2, "low")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"width": "", "height": ""}, "Give a width, a height or both."),
            ({"width": ""}, "This mode needs both a width and a height."),
            ({"width": "0"}, "greater than or equal to 1"),
            ({"quality": "101"}, "less than or equal to 100"),
            ({"mode": "fit", "height": "", "allow_upscale": "on"}, "Enlarging needs both a width and a height."),
            ({"background": "red"}, "Write a colour as #rrggbb."),
            ({"blur": "101"}, "less than or equal to 100"),
        ],
    )
    def test_impossible_presets_are_refused(self, admin_client, db, changes, said):
        preset = Preset.objects.get(slug="low")

        assert said in self._save(admin_client, preset, **changes).content.decode()

    def test_the_shipped_presets(self, db):
        shipped = {
            preset.slug: (preset.width, preset.height, preset.mode, preset.allow_upscale)
            for preset in Preset.objects.all()
        }
        assert shipped == {
            "thumbnail": (200, None, "fit", False),
            "very-high": (1024, 1024, "fill", True),
            "high": (1024, 786, "fill", False),
            "medium": (786, 786, "fill", False),
            "low": (124, 124, "fill", False),
            "preview": (1280, 1280, "fit", False),
        }
