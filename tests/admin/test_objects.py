"""The object browser, as a browser asks for it."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, Image, Job, RequestLimit, Upload
from media_catalog.services import objects, renditions
from tests.aws.faults import s3_error, serving
from tests.pictures import encoded, jpeg, picture, upload_file

from .buckets import bucket, keys_of, messages_of, page, put

LONG_AGO = {"Content-Type": "application/xml", "Date": "Fri, 20 Nov 2020 12:00:00 GMT"}


__all__ = ["bucket"]


class TestBrowsing:
    def test_folders_and_objects_of_a_prefix_cost_one_request(self, admin_client, bucket, cloud):
        for key in ("a.txt", "one/b.txt", "one/two/c.txt", "one/two/d.txt"):
            put(bucket, key)
        mark = cloud.access_log.mark()

        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(page(bucket, "objects", prefix="one/"))

        assert len(queries) <= 15

        assert [name for name, _url in response.context["folders"]] == ["two/"]
        assert [row.name for row in response.context["rows"]] == ["b.txt"]
        assert [label for label, _url in response.context["crumbs"]] == ["one"]
        assert cloud.access_log.operations(mark) == {"ListObjectsV2": 1}
        assert "This page cost 1 PUT-class request." in response.content.decode()

    def test_a_beginning_of_keys_can_be_looked_for(self, admin_client, bucket):
        for key in ("photo-1.jpg", "photo-2.jpg", "plan.pdf"):
            put(bucket, key)

        response = admin_client.get(page(bucket, "objects", prefix="ph"))

        assert [row.value for row in response.context["rows"]] == ["photo-1.jpg", "photo-2.jpg"]

    @pytest.mark.parametrize(
        ("prefix", "folders", "names", "crumbs"),
        [
            ("ph", ["photos/"], ["photo-1.jpg"], []),
            ("photo-1.jpg", [], ["photo-1.jpg"], []),
            ("20", ["2026/"], [], []),
            ("photos", ["photos/"], [], []),
            ("photos/20", ["2026/"], ["20.jpg"], ["photos"]),
            ("photos/2026/", [], ["(the folder itself)", "a.jpg"], ["photos", "2026"]),
            ("photos//", [], ["b.jpg"], ["photos", "(empty)"]),
            ("photos//b", [], ["b.jpg"], ["photos", "(empty)"]),
        ],
    )
    def test_names_are_whole_wherever_the_beginning_ends(self, admin_client, bucket, prefix, folders, names, crumbs):
        for key in ("photo-1.jpg", "photos/20.jpg", "photos/2026/", "photos/2026/a.jpg", "photos//b.jpg", "2026/c"):
            put(bucket, key)

        shown = admin_client.get(page(bucket, "objects", prefix=prefix))

        assert [name for name, _url in shown.context["folders"]] == folders
        assert [row.name for row in shown.context["rows"]] == names
        assert [label for label, _url in shown.context["crumbs"]] == crumbs
        assert ("Upload here" in shown.content.decode()) is prefix.endswith("/")

    def test_pages_go_forth_and_back(self, admin_client, bucket, monkeypatch):
        monkeypatch.setattr(objects, "PAGE_SIZE", 2)
        for number in range(5):
            put(bucket, f"{number}")
        seen, address = [], page(bucket, "objects")
        while address:
            response = admin_client.get(address)
            seen.append([row.name for row in response.context["rows"]])
            address = response.context["next_url"]
        assert seen == [["0", "1"], ["2", "3"], ["4"]]

        back = []
        while address := response.context["back_url"]:
            response = admin_client.get(address)
            back.append([row.name for row in response.context["rows"]])
        assert back == [["2", "3"], ["0", "1"]]

    def test_the_way_back_is_as_long_as_an_address_may_be(self, admin_client, bucket, monkeypatch):
        monkeypatch.setattr(objects, "PAGE_SIZE", 1)
        put(bucket, "a")
        put(bucket, "b")
        past = [letter * 2000 for letter in "vwxyz"]

        address = admin_client.get(page(bucket, "objects"), {"past": past}).context["next_url"]

        assert parse_qs(urlsplit(address).query, keep_blank_values=True)["past"] == [*past[2:], ""]
        assert 6000 < len(address) < 8000

    def test_what_the_catalogue_knows_is_said_in_two_queries(self, admin_client, originals, store):
        image = store()
        renditions.make(image=image)

        [row] = admin_client.get(page(originals, "objects")).context["rows"]
        assert row.known.image == image
        place = originals.renditions_bucket
        rows = admin_client.get(page(place, "objects")).context["rows"]
        assert [row.known.rendition.image for row in rows] == [image]
        assert f"bucket__id__exact={originals.pk}" in admin_client.get(page(originals, "objects")).content.decode()

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (s3_error(404, "NoSuchBucket"), {"no longer exists", "no object under this key", "gone already"}),
            (s3_error(403, "AccessDenied"), {"denied access"}),
            (replace(s3_error(403, "RequestTimeTooSkewed"), headers=LONG_AGO), {"clock of this server"}),
            (s3_error(503, "SlowDown"), {"slow down", "could not be reached"}),  # to HEAD there is no code
            (s3_error(400, "InvalidArgument"), {"AWS answered with an error"}),
        ],
    )
    def test_a_bucket_lost_while_a_page_is_open_is_said(self, admin_client, bucket, settings, answer, said):
        forms = {
            "upload": lambda: {"chosen": upload_file(b"x", "a")},
            "copy": lambda: {"how": "copy", "bucket": bucket.pk, "key": "b"},
            "remove": lambda: {"keys": ["a%2F%2Fb"], "confirm": "1"},
        }
        with serving() as server:
            server.script.extend([answer] * 100)
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            for name in ("objects", "object", "download", "picture"):
                shown = admin_client.get(page(bucket, name, key="a//b"), follow=True)
                assert shown.status_code < 500
                assert any(words in shown.content.decode() for words in said), name
            bucket.refresh_from_db()
            assert bool(bucket.missing_since) is ("no longer exists" in said)
            for name, fields in forms.items():
                shown = admin_client.post(page(bucket, name, key="a//b"), fields(), follow=True)
                assert shown.status_code == 200
                assert any(words in shown.content.decode() for words in said), name

    def test_the_limit_is_said_on_the_page(self, admin_client, bucket):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)

        shown = admin_client.get(page(bucket, "objects")).content.decode()

        assert "Refused by quota" in shown
        assert "This page cost no requests." in shown


@pytest.mark.parametrize("name", ["objects", "object", "download", "picture", "copy", "upload", "remove"])
@pytest.mark.parametrize(
    "query", ["prefix=%00&key=%00", "prefix=%ff&key=%ff", f"prefix={'x' * 3000}&key={'x' * 3000}", "token=nonsense", ""]
)
def test_nonsense_in_the_address_is_no_error(admin_client, bucket, name, query):
    address = f"{page(bucket, name)}?{query}"
    answer = admin_client.post(address, {"keys": ["%00", "%FF"], "confirm": "1"}, follow=True)
    assert answer.status_code < 500
    if name not in {"upload", "remove"}:
        assert admin_client.get(address, follow=True).status_code < 500


def test_moving_a_catalogued_image_needs_the_permission_to_change_it(client, originals, store, staff_with, work):
    image = store()
    data = {"how": "move", "bucket": originals.pk, "key": "new.jpg"}
    client.force_login(staff_with("browse_objects", "write_objects"))
    assert client.post(page(originals, "copy", key=image.key), data).status_code == 403

    client.force_login(staff_with("browse_objects", "write_objects", "change_image", "view_image"))
    assert client.post(page(originals, "copy", key=image.key), {**data, "confirm": "1"}).status_code == 302
    work()

    assert Job.objects.get().items.get().message == f"Moved to “new.jpg” in {originals}."
    assert Image.objects.get().key == "new.jpg"


def test_a_rendition_is_not_moved_alone(admin_client, originals, store):
    image = store()
    renditions.make(image=image)
    place, key = originals.renditions_bucket, image.renditions.first().key

    response = admin_client.post(
        page(place, "copy", key=key), {"how": "move", "bucket": originals.pk, "key": "new.jpg"}
    )

    assert response.context["form"].errors["key"] == ["This is a rendition: it goes with its image."]


class TestMoving:
    def _move(self, client, bucket, key="a", to_key="b", **fields):
        data = {"how": "move", "bucket": bucket.pk, "key": to_key, **fields}
        return client.post(page(bucket, "copy", key=key), data)

    def test_its_cost_is_what_the_page_says(self, admin_client, bucket, cloud):
        put(bucket, "a")
        shown = admin_client.get(page(bucket, "copy", key="a")).content.decode()
        assert "1 PUT-class, 2 GET-class and 1 free requests" in shown
        mark = cloud.access_log.mark()
        moved = self._move(admin_client, bucket)
        assert cloud.access_log.operations(mark) == {"HeadObject": 2, "CopyObject": 1, "DeleteObject": 1}
        said = f"Moved “a” to “b” in {bucket}."
        cost = "It cost 1 PUT-class, 2 GET-class and 1 free requests."
        assert messages_of(admin_client.get(moved.url)) == [f"{said} {cost}"]
        assert LogEntry.objects.get().change_message == said

    def test_a_copy_and_one_that_is_refused_say_what_they_cost(self, admin_client, bucket):
        put(bucket, "a")
        copied = self._move(admin_client, bucket, how="copy")
        assert "It cost 1 PUT-class and 2 GET-class requests." in messages_of(admin_client.get(copied.url))[0]
        refused = self._move(admin_client, bucket, how="copy")
        assert "exists already" in refused.context["form"].errors["key"][0]
        assert "This page cost 2 GET-class requests." in refused.content.decode()

    def test_not_out_of_a_bucket_under_legal_hold(self, admin_client, bucket):
        put(bucket, "a")
        Bucket.objects.filter(pk=bucket.pk).update(legal_hold=True)
        assert "legal hold" in self._move(admin_client, bucket).context["form"].errors["key"][0]
        assert keys_of(bucket) == ["a"]

    @pytest.mark.parametrize("how", ["move", "copy"])
    def test_not_to_where_somebody_uploads(self, admin_client, bucket, how):
        put(bucket, "a")
        Upload.objects.create(bucket=bucket, key="b", name="b")
        refused = self._move(admin_client, bucket, how=how)
        assert refused.context["form"].errors["key"] == ["An upload is under way under this key."]
        assert keys_of(bucket) == ["a"]

    def test_not_from_there_either(self, admin_client, bucket):
        put(bucket, "a")
        Upload.objects.create(bucket=bucket, key="a", name="a")
        self._move(admin_client, bucket)
        assert keys_of(bucket) == ["a"]

    def test_what_is_written_meanwhile_stays(self, admin_client, bucket, monkeypatch):
        put(bucket, "a", b"first")
        copy = s3_objects.copy_object

        def copied_and_written(*args, **kwargs):
            etag = copy(*args, **kwargs)
            s3.put_object(bucket.name, "a", b"second", content_type="text/plain", overwrite=True)
            return etag

        monkeypatch.setattr(s3_objects, "copy_object", copied_and_written)
        assert "another object" in self._move(admin_client, bucket).context["form"].errors["key"][0]
        assert s3.get_object(bucket.name, "a").body == b"second"

    @pytest.mark.parametrize("key", ["gone", "nul\x00"])
    def test_one_that_is_not_there_is_said(self, admin_client, bucket, key):
        assert self._move(admin_client, bucket, key=key).context["form"].errors["key"]


@pytest.mark.parametrize("key", ["gone", "gone//too"])
def test_a_download_of_what_is_gone_is_said(admin_client, bucket, key):
    answer = admin_client.get(page(bucket, "download", key=key))
    if answer.url.startswith("/admin/"):
        assert "no object under this key" in admin_client.get(answer.url).content.decode()
    assert answer.url.startswith("/admin/") is ("//" in key)


class TestDetails:
    def test_head_alone_then_versions_when_asked(self, admin_client, bucket, cloud):
        put(bucket, "a.txt")
        put(bucket, "a.txt.bak")
        mark = cloud.access_log.mark()
        response = admin_client.get(page(bucket, "object", key="a.txt"))
        assert cloud.access_log.operations(mark) == {"HeadObject": 1}
        assert response.context["details"].content_type == "text/plain"

        response = admin_client.get(page(bucket, "object", key="a.txt", versions="1"))
        assert len(response.context["versions"]) == 1
        assert cloud.access_log.operations(mark) == {"HeadObject": 2, "ListObjectVersions": 1}

    def test_an_object_that_is_gone_is_said(self, admin_client, bucket):
        assert "no object under this key" in admin_client.get(page(bucket, "object", key="gone")).content.decode()
        assert "no object under this key" in admin_client.get(page(bucket, "object")).content.decode()

    def test_a_picture_is_shown_when_asked_by_what_it_is(self, admin_client, bucket, cloud):
        s3.put_object(bucket.name, "p.jpg", encoded(picture(), "PNG"), content_type="image/jpeg")
        response = admin_client.get(page(bucket, "object", key="p.jpg"))
        assert response.context["offer_picture_url"]
        mark = cloud.access_log.mark()

        shown = admin_client.get(page(bucket, "picture", key="p.jpg"))

        assert (shown["Content-Type"], shown["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert cloud.access_log.operations(mark) == {"GetObject": 1}

    @pytest.mark.parametrize("body", [b"<script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b""])
    def test_what_is_no_picture_is_not_shown(self, admin_client, bucket, body):
        s3.put_object(bucket.name, "p.jpg", body, content_type="image/jpeg")

        answer = admin_client.get(page(bucket, "picture", key="p.jpg"))

        assert (answer.status_code, answer["Content-Type"]) == (415, "text/plain; charset=utf-8")

    def test_a_picture_over_the_limit_is_not_read(self, admin_client, bucket, settings):
        s3.put_object(bucket.name, "p.jpg", jpeg(), content_type="image/jpeg")
        settings.IMAGE_MAX_BYTES = 100

        assert admin_client.get(page(bucket, "picture", key="p.jpg")).status_code == 415

    def test_the_preview_of_a_catalogued_image_costs_nothing_more(self, admin_client, originals, store, cloud):
        image = store()
        renditions.make(image=image)
        mark = cloud.access_log.mark()

        response = admin_client.get(page(originals, "object", key=image.key))
        assert admin_client.get(response.context["picture_url"]).status_code == 200
        assert cloud.access_log.operations(mark) == {"HeadObject": 1}
