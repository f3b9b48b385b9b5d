"""Deleting with a way back, through the pages: the trash, Undo, restoring, purging, and who may."""

import re
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.admin.confirmation import digest
from media_catalog.aws import listing, s3
from media_catalog.aws import objects as s3_objects
from media_catalog.exceptions import AwsUnavailable, BucketRefused
from media_catalog.models import Bucket, Image, Job, JobItem, Preset, RequestLimit, TrashedObject
from media_catalog.services import buckets, detection, renditions, trash, trash_objects
from tests.pictures import jpeg, one_face, upload_file

from .buckets import messages_of, new_bucket, page, put

LIST = "/admin/media_catalog/trashedobject/"
IMAGES = "/admin/media_catalog/image/"
UNDO = f"{LIST}undo/"


@pytest.fixture
def bucket(originals) -> Bucket:
    return new_bucket()


@pytest.fixture(autouse=True)
def _two_presets(db):
    Preset.objects.exclude(slug__in=["thumbnail", "low"]).update(active=False)


def _keys(bucket) -> list[str]:
    return [entry.key for entry in listing.list_page(bucket.name).objects]


def _remove(client, bucket, *keys, **fields):
    data = {"keys": [quote(key, safe="") for key in keys], "confirm": "1", **fields}
    return client.post(page(bucket, "remove"), data, follow=True)


def _act(client, action, rows, **fields):
    data = {"action": action, "_selected_action": [row.pk for row in rows], "select_across": "0", **fields}
    return client.post(LIST, data)


def _confirm(client, action, rows, **fields):
    shown = _act(client, action, rows, **fields).context
    return _act(client, action, rows, selection=shown["selection"], token=shown["token"], confirm="1", **fields)


def _trash_images(client, work, *images) -> Job:
    data = {"action": "remove", "_selected_action": [image.pk for image in images], "select_across": "0"}
    shown = client.post(IMAGES, data).context
    fields = {name: shown[name] for name in ("selection", "counted_options")}
    client.post(IMAGES, {**data, **fields, "confirm": "1"})
    work()
    return Job.objects.get(kind="remove_images")


def _undo_fields(response) -> dict[str, str]:
    form = next(message for message in messages_of(response) if "bo-undo" in message)
    return dict(re.findall(r'name="(run|next)" value="([^"]*)"', form))


class TestImages:
    def test_the_whole_way_there_and_back(self, admin_client, store, originals, work):
        image = store(one_face())
        renditions.make(image=image)
        detection.detect(image=image)

        job = _trash_images(admin_client, work, image)

        assert job.items.get().message == "Moved to the trash."
        for address in (IMAGES, "/admin/media_catalog/face/"):
            assert admin_client.get(address).context["cl"].result_count == 0
        assert "photo.jpg" not in admin_client.get("/admin/media_catalog/face/export/").content.decode()
        for address in ("preview/low/", "original/", "rendition/low/", "change/"):
            assert admin_client.get(f"{IMAGES}{image.pk}/{address}").status_code in {302, 404}
        [row] = admin_client.get(LIST).context["cl"].result_list
        assert (row.key, row.trashed_by_name, row.job) == ("photo.jpg", "admin", job)

        address = f"/admin/media_catalog/job/{job.pk}/undo/"
        shown = admin_client.post(address).context
        assert "2 PUT-class and 1 GET-class requests" in shown["follows"]
        admin_client.post(address, {"selection": shown["selection"], "token": shown["token"], "confirm": "1"})
        work()

        assert Image.objects.get() == image
        assert admin_client.get("/admin/media_catalog/face/").context["cl"].result_count == 1
        assert not TrashedObject.objects.exists()
        work()
        assert image.renditions.count() == 2
        assert _keys(originals) == ["photo.jpg"]
        said = LogEntry.objects.filter(object_id=image.pk, change_message__startswith="Restore from trash requested")
        assert said.exists()

    def test_the_confirmation_says_what_it_costs_and_how_long_there_is_a_way_back(self, admin_client, store):
        image = store()
        renditions.make(image=image)
        data = {"action": "remove", "_selected_action": [image.pk], "select_across": "0"}
        shown = admin_client.post(IMAGES, data)
        assert shown.context["cost"].requests == {"s3_tier1": 1, "free": 3}
        assert "1 image goes to the trash of its bucket" in shown.content.decode()
        assert "restored for 30 days" in shown.content.decode()

    def test_on_the_page_of_its_job_it_has_no_link(self, admin_client, store, work):
        image = store()
        job = _trash_images(admin_client, work, image)
        shown = admin_client.get(f"/admin/media_catalog/job/{job.pk}/").content.decode()
        assert f"/image/{image.pk}/change/" not in shown

    def test_the_same_picture_may_be_uploaded_again(self, admin_client, store, work):
        image = store()
        _trash_images(admin_client, work, image)
        assert store().key == image.key

    def test_buckets_count_what_is_in_use(self, admin_client, store, originals, work):
        _trash_images(admin_client, work, store())
        row = admin_client.get("/admin/media_catalog/bucket/").context["cl"].result_list.get(pk=originals.pk)
        assert row.images_in_it == 0


class TestObjects:
    def test_a_few_go_at_once_and_undo_brings_them_back(self, admin_client, bucket, cloud):
        for key in ("a//b", "new\nline", "stays"):
            put(bucket, key, key.encode())
        asked = admin_client.post(page(bucket, "remove"), {"keys": ["a%2F%2Fb", "new%0Aline"]})
        assert "2 objects go to the trash" in asked.content.decode()
        mark = cloud.access_log.mark()

        response = _remove(admin_client, bucket, "a//b", "new\nline")

        assert cloud.access_log.operations(mark) == {
            "HeadObject": 2, "CopyObject": 2, "DeleteObject": 2, "ListObjectsV2": 1,
        }  # fmt: skip
        [said] = messages_of(response)
        assert said.startswith("2 objects moved to the trash.")
        assert "2 PUT-class, 2 GET-class and 2 free requests" in said
        assert [name for name, _url in response.context["folders"]] == ["trash/"]

        fields = _undo_fields(response)
        back = admin_client.post(UNDO, fields, follow=True)
        assert back.request["PATH_INFO"] == page(bucket, "objects")
        assert messages_of(back) == ["2 objects restored."]
        assert sorted(_keys(bucket)) == ["a//b", "new\nline", "stays"]
        assert s3.get_object(bucket.name, "a//b").body == b"a//b"
        assert messages_of(admin_client.post(UNDO, fields, follow=True)) == ["Nothing of it is in the trash any more."]

    def test_more_are_a_job_and_so_is_their_undo(self, admin_client, bucket, work):
        names = [f"{number:02}" for number in range(12)]
        for name in names:
            put(bucket, name)
        _remove(admin_client, bucket, *names, "gone")
        assert _keys(bucket) == names
        job = Job.objects.get()
        assert (job.kind, job.estimate) == ("trash_objects", {"s3_tier1": 13, "s3_tier2": 13, "free": 13})
        work()
        assert job.items.get().message == "12 objects moved to the trash."
        assert all(key.startswith("trash/") for key in _keys(bucket))

        address = f"/admin/media_catalog/job/{job.pk}/undo/"
        shown = admin_client.post(address)
        assert shown.context["count"] == 12
        assert not shown.context["follows"]
        confirm = {"selection": shown.context["selection"], "token": shown.context["token"], "confirm": "1"}
        admin_client.post(address, confirm)
        again = admin_client.post(address, confirm)
        restoring = Job.objects.get(kind="restore")
        assert again.url.endswith(f"/job/{restoring.pk}/change/")
        work()
        assert restoring.items.get().message == "12 objects restored."
        assert _keys(bucket) == names
        assert not TrashedObject.objects.exists()

    def test_what_cannot_be_moved_is_said_by_name(self, admin_client, bucket, monkeypatch):
        put(bucket, "large")
        monkeypatch.setattr(trash, "COPY_MAX_BYTES", 3)
        [said] = messages_of(_remove(admin_client, bucket, "large"))
        assert "large" in said
        assert "delete it with AWS tools" in said
        assert _keys(bucket) == ["large"]

    def test_what_is_gone_already_is_said(self, admin_client, bucket):
        assert messages_of(_remove(admin_client, bucket, "gone")) == ["1 object was gone already."]

    def test_s3_away_is_said_and_the_object_moves_when_it_is_back(self, admin_client, bucket, monkeypatch):
        put(bucket, "a")
        with monkeypatch.context() as patched:
            patched.setattr(s3_objects, "copy_object", _away)
            assert "could not be reached" in messages_of(_remove(admin_client, bucket, "a"))[0]
        [row] = admin_client.get(f"{LIST}?state=moving").context["cl"].result_list
        assert "could not be reached" in row.problem

        assert messages_of(_remove(admin_client, bucket, "a"))[0].startswith("1 object moved")
        assert TrashedObject.objects.here().count() == 1

    def test_under_legal_hold_nothing_moves(self, admin_client, bucket):
        put(bucket, "a")
        Bucket.objects.filter(pk=bucket.pk).update(legal_hold=True)
        assert "legal hold" in messages_of(_remove(admin_client, bucket, "a"))[0]
        assert _keys(bucket) == ["a"]

    def test_the_trash_is_not_reached_by_the_browser_of_objects(self, admin_client, bucket):
        put(bucket, "a")
        _remove(admin_client, bucket, "a")
        [key] = _keys(bucket)

        assert "are kept for what this site moves aside" in messages_of(_remove(admin_client, bucket, key))[0]
        move = {"how": "move", "bucket": bucket.pk, "key": "b"}
        form = admin_client.post(page(bucket, "copy", key=key), move).context["form"]
        assert "are kept for" in form.errors["key"][0]
        for to_key in ("trash/x", "quarantine/x"):
            put(bucket, "b")
            copied = admin_client.post(page(bucket, "copy", key="b"), {**move, "key": to_key})
            assert "are kept for" in copied.context["form"].errors["key"][0]
        shown = admin_client.get(page(bucket, "objects", prefix=key.rpartition("/")[0] + "/"))
        assert [row.reserved for row in shown.context["rows"]] == [True]
        assert "In the trash, from a" in shown.content.decode()
        assert "In the trash" in admin_client.get(page(bucket, "object", key=key)).content.decode()

    @pytest.mark.parametrize("folder", ["trash", "/trash/", "quarantine/x"])
    def test_nothing_is_uploaded_into_the_trash(self, admin_client, originals, bucket, folder):
        data = {"images": upload_file(jpeg(), "a.jpg"), "bucket": originals.pk, "folder": folder}
        said = messages_of(admin_client.post(f"{IMAGES}add/", data, follow=True))
        assert "are kept for" in said[0]
        for place in (originals, bucket):
            files = {"chosen": [upload_file(jpeg(), "a.jpg")]}
            said = messages_of(
                admin_client.post(page(place, "upload", prefix=f"{folder.strip('/')}/"), files, follow=True)
            )
            assert "are kept for" in said[0]
        chosen = {"name": "a.jpg", "type": "image/jpeg", "size": 3}
        direct = {"files": [chosen], "bucket": originals.pk, "folder": folder, "caption": ""}
        answer = admin_client.post(f"{IMAGES}add/begin/", direct, content_type="application/json")
        assert "are kept for" in answer.content.decode()
        assert _keys(originals) == _keys(bucket) == []


def _away(*args, **kwargs):
    raise AwsUnavailable("no answer")


class TestTheList:
    def test_columns_filters_and_search_in_a_constant_number_of_queries(self, admin_client, bucket):
        rows = [
            TrashedObject(
                bucket=bucket, key=f"k{number}\n", trash_key=f"trash/{number}", etag="", size=1, state="trashed",
                trashed_by_name="somebody", problem="odd" if number else "",
            )
            for number in range(60)
        ]  # fmt: skip
        TrashedObject.objects.bulk_create(rows[:1])
        with CaptureQueriesContext(connection) as few:
            assert admin_client.get(LIST).status_code == 200
        TrashedObject.objects.bulk_create(rows[1:])
        with CaptureQueriesContext(connection) as many:
            shown = admin_client.get(LIST)
        assert len(many) <= len(few) <= 12
        assert len(shown.context["cl"].result_list) == 50
        assert "k59␊" in shown.content.decode()
        assert "never by itself" in shown.content.decode()
        for query, count in [
            ("what=image", 0), ("what=object", 60), ("state=problem", 59), ("state=moving", 0), ("state=nonsense", 60),
            (f"bucket__id__exact={bucket.pk}", 60), ("q=k59", 1), ("q=somebody", 60), ("q=%00", 60), ("p=2", 60),
        ]:  # fmt: skip
            assert admin_client.get(f"{LIST}?{query}").context["cl"].result_count == count, query

    def test_an_empty_one_says_so(self, admin_client):
        shown = admin_client.get(LIST).content.decode()
        assert "The trash is empty." in shown
        assert "Empty trash…" not in shown

    def test_restoring_says_what_it_costs_and_what_follows(self, admin_client, store, work, cloud):
        images = [store(name=f"{number}.jpg") for number in range(2)]
        _trash_images(admin_client, work, *images)
        rows = TrashedObject.objects.all()
        mark = cloud.access_log.mark()
        shown = _act(admin_client, "restore", rows)
        assert not cloud.access_log.since(mark)
        assert "4 PUT-class and 2 GET-class requests" in shown.context["follows"]
        assert [line.requests for line in shown.context["cost_lines"]] == [2, 2]

        _confirm(admin_client, "restore", rows)
        work()
        assert cloud.access_log.operations(mark) == {"HeadObject": 2, "CopyObject": 2, "DeleteObject": 2}
        making = Job.objects.get(kind="make_renditions")
        assert (making.requested_by, making.items.count()) == (None, 2)
        assert Job.objects.get(kind="restore").items.get().message == "2 objects restored."

    def test_more_images_than_a_job_may_have_are_several_jobs(self, admin_client, store, work, settings):
        _trash_images(admin_client, work, *(store(name=f"{number}.jpg") for number in range(3)))
        settings.JOB_MAX_ITEMS = 2
        _confirm(admin_client, "restore", TrashedObject.objects.all())
        work()
        making = Job.objects.filter(kind="make_renditions").order_by("pk")
        assert [job.items.count() for job in making] == [2, 1]

    def test_a_taken_key_is_told(self, admin_client, bucket, work):
        put(bucket, "a.txt", b"old")
        response = _remove(admin_client, bucket, "a.txt")
        put(bucket, "a.txt", b"new")
        said = messages_of(admin_client.post(UNDO, _undo_fields(response), follow=True))
        assert said == ["1 object restored.", "“a.txt” is “a-2.txt” now: its key was taken."]

        _remove(admin_client, bucket, "a-2.txt")
        put(bucket, "a-2.txt")
        _confirm(admin_client, "restore", TrashedObject.objects.all())
        work()
        message = Job.objects.get().items.get().message
        assert message == "1 object restored. “a-2.txt” is “a-2-2.txt” now: its key was taken."

    def test_purging_is_for_good(self, admin_client, store, originals, work, cloud):
        _trash_images(admin_client, work, store(name="a.jpg"), store(name="b.jpg"))
        rows = TrashedObject.objects.all()
        shown = _act(admin_client, "purge", rows)
        assert "This cannot be undone here." in shown.content.decode()
        assert [line.requests for line in shown.context["cost_lines"]] == [1]
        mark = cloud.access_log.mark()

        _confirm(admin_client, "purge", rows)
        work()

        assert cloud.access_log.operations(mark) == {"DeleteObjects": 1}
        assert Job.objects.get(kind="purge").items.get().message == "2 objects purged."
        assert _keys(originals) == []
        assert not Image.everything.exists()
        assert LogEntry.objects.filter(action_flag=3, change_message__contains="Purge now requested").count() == 4

    def test_empty_trash_takes_all_that_the_list_shows(self, admin_client, bucket, work):
        held = new_bucket(legal_hold=True)
        for place, key in [(bucket, "a"), (bucket, "b"), (held, "c")]:
            put(place, f"trash/{key}")
            TrashedObject.objects.create(
                bucket=place, key=key, trash_key=f"trash/{key}", etag="", size=1, state="trashed"
            )
        assert "Empty trash…" in admin_client.get(LIST).content.decode()
        everything = {"select_across": "1", "_selected_action": ["0"]}
        shown = admin_client.post(LIST, {"action": "purge", **everything})
        assert (shown.context["count"], shown.context["left_out"]) == (2, 1)

        confirm = {"selection": shown.context["selection"], "token": shown.context["token"], "confirm": "1"}
        admin_client.post(LIST, {"action": "purge", **everything, **confirm})
        work()
        assert TrashedObject.objects.get().bucket == held
        assert _keys(held) == ["trash/c"]

    def test_what_has_changed_meanwhile_is_shown_once_more(self, admin_client, bucket):
        put(bucket, "a")
        _remove(admin_client, bucket, "a")
        rows = TrashedObject.objects.all()
        shown = _act(admin_client, "purge", rows, selection=digest([0]), confirm="1")
        assert "The selection has changed meanwhile." in messages_of(shown)[0]
        assert not Job.objects.exists()

    def test_many_are_to_be_typed(self, admin_client, bucket, settings, work):
        settings.JOB_CONFIRM_ABOVE = 1
        for key in "ab":
            put(bucket, key)
        _remove(admin_client, bucket, "a", "b")
        rows = TrashedObject.objects.all()
        assert "Type the number of objects, 2" in messages_of(_confirm(admin_client, "purge", rows))[0]
        _confirm(admin_client, "purge", rows, typed="2")
        work()
        assert not TrashedObject.objects.exists()

    def test_what_does_not_fit_into_the_quota_is_refused_with_the_numbers(self, admin_client, bucket):
        put(bucket, "a")
        _remove(admin_client, bucket, "a")
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        shown = _confirm(admin_client, "restore", TrashedObject.objects.all())
        assert "does not fit into the quota" in messages_of(shown)[0]
        assert not Job.objects.exists()

    def test_one_that_cannot_come_back_does_not_hold_up_the_others(self, admin_client, bucket, work):
        for key in "ab":
            put(bucket, key)
        _remove(admin_client, bucket, "a", "b")
        lost = TrashedObject.objects.get(key="a")
        s3.delete_object(bucket.name, lost.trash_key)
        _confirm(admin_client, "restore", TrashedObject.objects.all())
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.code) == (JobItem.State.FAILED, "partly")
        assert item.message == "1 object restored. 1 could not: The trash says why."
        assert "not in the trash any more" in admin_client.get(LIST).content.decode()


class TestWhoMay:
    @pytest.fixture
    def row(self, bucket):
        put(bucket, "trash/x")
        return TrashedObject.objects.create(
            bucket=bucket, key="a", trash_key="trash/x", etag="", size=1, state="trashed", run="r"
        )

    @pytest.mark.parametrize("action", ["restore", "purge"])
    def test_a_hand_made_request_does_nothing(self, client, staff_with, row, action):
        client.force_login(staff_with("view_trashedobject"))
        shown = client.get(LIST)
        assert shown.status_code == 200
        assert "Empty trash…" not in shown.content.decode()
        _act(client, action, [row], selection=digest([row.pk]), confirm="1")
        assert client.post(UNDO, {"run": "r"}).status_code == 403
        assert not Job.objects.exists()
        assert TrashedObject.objects.get().state == "trashed"

    def test_without_any_permission_there_is_no_trash(self, client, staff_with, row):
        client.force_login(staff_with("view_image"))
        assert client.get(LIST).status_code == 403

    def test_undo_is_offered_to_who_may_restore(self, client, staff_with, bucket):
        put(bucket, "a")
        client.force_login(staff_with("browse_objects", "delete_objects"))
        assert messages_of(_remove(client, bucket, "a")) == ["1 object moved to the trash. "]

    @pytest.mark.parametrize(("action", "permission"), [("restore", "restore"), ("purge", "purge")])
    def test_who_lost_the_permission_meanwhile_gets_nothing_done(
        self, client, staff_with, row, action, permission, work
    ):
        user = staff_with("view_trashedobject", f"{permission}_trashedobject")
        client.force_login(user)
        _confirm(client, action, [row])
        user.user_permissions.clear()
        work()
        assert Job.objects.get().items.get().code == "not_permitted"
        assert TrashedObject.objects.get().state == "trashed"

    def test_undo_is_a_post_with_a_token_to_this_site(self, admin_client, admin_user, row):
        assert admin_client.get(UNDO).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(admin_user)
        assert strict.post(UNDO, {"run": "r"}).status_code == 403
        assert admin_client.post(UNDO, {"run": "", "next": "https://elsewhere.example/"}).url == LIST
        assert TrashedObject.objects.exists()

    @pytest.mark.parametrize("path", ["add/", "1/change/", "1/delete/"])
    def test_there_is_no_other_way_to_change_it(self, admin_client, row, path):
        address = f"{LIST}{path.replace('1', str(row.pk))}"
        assert admin_client.post(address, {"post": "yes"}).status_code in {302, 403}
        assert "delete_selected" not in admin_client.get(LIST).content.decode()
        assert TrashedObject.objects.exists()


class TestBuckets:
    def test_a_bucket_is_emptied_with_its_trash(self, admin_client, originals, store, work):
        _trash_images(admin_client, work, store())
        put(originals, "plain")
        _remove(admin_client, originals, "plain")
        admin_client.post(page(originals, "take_inventory"))
        work()
        shown = admin_client.get(page(originals, "delete"))
        assert shown.context["trashed"] == 2
        admin_client.post(page(originals, "delete"), {"delete": "1"})
        assert Bucket.objects.filter(pk=originals.pk).exists()

        admin_client.post(page(originals, "delete"), {"empty": "1", "name": originals.name})
        work()

        assert Job.objects.get(kind="empty_bucket").items.get().state == "done"
        assert not Bucket.objects.filter(pk=originals.pk).exists()
        assert not TrashedObject.objects.exists()
        assert not Image.everything.exists()

    def test_a_bucket_that_others_have_emptied_is_deleted_with_its_rows(self, admin_client, originals, store, work):
        _trash_images(admin_client, work, store())
        for key in _keys(originals):
            s3.delete_object(originals.name, key)
        admin_client.post(page(originals, "delete"), {"delete": "1"})
        assert not Bucket.objects.filter(pk=originals.pk).exists()
        assert not Image.everything.exists()

    def test_a_bucket_with_images_in_the_trash_keeps_its_role(self, admin_client, originals, store, work):
        _trash_images(admin_client, work, store())
        with pytest.raises(BucketRefused, match="has_images"):
            buckets.assign(originals, role="general", accepts="any", partner=None)


def test_the_jobs_of_the_trash_go_on_in_turns(admin_client, bucket, work, monkeypatch):
    for number in range(12):
        put(bucket, f"{number}")
    monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)
    _remove(admin_client, bucket, *(f"{number}" for number in range(12)))
    for _turn in range(12):
        assert Job.objects.get().state != Job.State.FINISHED
        JobItem.objects.update(not_before=None)
        work()
    item = Job.objects.get().items.get()
    assert (item.state, item.attempts) == (JobItem.State.DONE, 1)
    assert TrashedObject.objects.filter(trashed_at__lte=timezone.now()).count() == 12
