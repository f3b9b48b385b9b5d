"""Deleting with a way back, through the pages: images, objects, Undo, buckets."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.admin import trash_actions
from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsUnavailable, BucketRefused
from media_catalog.jobs import restored
from media_catalog.models import Bucket, Image, Job, JobItem, TrashedObject
from media_catalog.services import buckets, detection, renditions, trash_objects, trash_restore
from tests.pictures import jpeg, one_face, upload_file

from .buckets import messages_of, page, put
from .trashing import IMAGES, LIST, UNDO, bucket, keys_of, remove, trash_images, two_presets, undo_fields

__all__ = ["bucket", "two_presets"]


class TestImages:
    def test_the_whole_way_there_and_back(self, admin_client, store, originals, work):
        image = store(one_face())
        renditions.make(image=image)
        detection.detect(image=image)

        job = trash_images(admin_client, work, image)

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
        assert keys_of(originals) == ["photo.jpg"]
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
        job = trash_images(admin_client, work, image)
        shown = admin_client.get(f"/admin/media_catalog/job/{job.pk}/").content.decode()
        assert f"/image/{image.pk}/change/" not in shown

    def test_the_same_picture_may_be_uploaded_again(self, admin_client, store, work):
        image = store()
        trash_images(admin_client, work, image)
        assert store().key == image.key

    def test_buckets_count_what_is_in_use(self, admin_client, store, originals, work):
        trash_images(admin_client, work, store())
        row = admin_client.get("/admin/media_catalog/bucket/").context["cl"].result_list.get(pk=originals.pk)
        assert row.images_in_it == 0


class TestObjects:
    def test_a_few_go_at_once_and_undo_brings_them_back(self, admin_client, bucket, cloud):
        for key in ("a//b", "new\nline", "stays"):
            put(bucket, key, key.encode())
        asked = admin_client.post(page(bucket, "remove"), {"keys": ["a%2F%2Fb", "new%0Aline"]})
        assert "2 objects go to the trash" in asked.content.decode()
        mark = cloud.access_log.mark()

        response = remove(admin_client, bucket, "a//b", "new\nline")

        assert cloud.access_log.operations(mark) == {
            "HeadObject": 2, "CopyObject": 2, "DeleteObject": 2, "ListObjectsV2": 1,
        }  # fmt: skip
        said, cost = messages_of(response)
        assert cost == "Moving to the trash cost 2 PUT-class, 2 GET-class and 2 free requests."
        assert said.startswith("2 objects moved to the trash.")
        assert "2 PUT-class, 2 GET-class and 2 free requests" in said
        assert [name for name, _url in response.context["folders"]] == ["trash/"]

        fields = undo_fields(response)
        back = admin_client.post(UNDO, fields, follow=True)
        assert back.request["PATH_INFO"] == page(bucket, "objects")
        assert messages_of(back) == ["2 objects restored."]
        assert sorted(keys_of(bucket)) == ["a//b", "new\nline", "stays"]
        assert s3.get_object(bucket.name, "a//b").body == b"a//b"
        assert messages_of(admin_client.post(UNDO, fields, follow=True)) == ["Nothing of it is in the trash any more."]

    def test_a_large_one_is_left_to_a_job_and_so_is_its_undo(
        self, client, bucket, cloud, work, staff_with, monkeypatch
    ):
        """By somebody who may delete, and so may undo that. Its size is asked for twice."""
        monkeypatch.setattr(trash_objects, "AT_ONCE_BYTES", 3)
        monkeypatch.setattr(trash_actions, "AT_ONCE_BYTES", 3)
        put(bucket, "a", b"s")
        put(bucket, "large")
        client.force_login(staff_with("browse_objects", "delete_objects"))
        mark = cloud.access_log.mark()
        said = messages_of(remove(client, bucket, "a", "large"))
        assert said[0].startswith("1 object moved to the trash.")
        assert cloud.access_log.operations(mark)["HeadObject"] == 2
        work()
        assert cloud.access_log.operations(mark)["HeadObject"] == 3
        [job] = Job.objects.all()
        assert job.items.get().message == "2 objects moved to the trash."
        assert job.estimate == {"s3_tier1": 1, "s3_tier2": 1, "free": 1}

        asked = client.post(UNDO, {"run": job.options["run"], "next": LIST})
        assert {"large"} < set(asked.context["names"])
        fields = {name: asked.context[name] for name in ("selection", "token")}
        client.post(UNDO, {"run": job.options["run"], "next": LIST, **fields, "confirm": "1"})
        work()

        assert Job.objects.get(kind="restore").items.get().message == "2 objects restored."
        assert sorted(keys_of(bucket)) == ["a", "large"]

    def test_what_s3_is_too_slow_for_goes_on_as_a_job_and_so_does_its_undo(self, admin_client, bucket, work, settings):
        settings.PAGE_SECONDS = 0
        names = ["a", "b", "c"]
        for name in names:
            put(bucket, name)
        response = remove(admin_client, bucket, *names)
        assert messages_of(response)[0].startswith("1 object moved to the trash.")
        work()
        assert Job.objects.get().items.get().message == "3 objects moved to the trash."

        back = admin_client.post(UNDO, {**undo_fields(response), "next": LIST}, follow=True)
        job = Job.objects.get(kind="restore")
        assert back.redirect_chain[-1][0].endswith(f"/job/{job.pk}/change/")
        assert messages_of(back)[0] == "1 object restored."
        work()

        assert job.items.get().message == "2 objects restored."
        assert keys_of(bucket) == names

    def test_more_are_a_job_and_so_is_their_undo(self, admin_client, bucket, work):
        names = [f"{number:02}" for number in range(12)]
        for name in names:
            put(bucket, name)
        remove(admin_client, bucket, *names, "gone")
        assert keys_of(bucket) == names
        job = Job.objects.get()
        assert (job.kind, job.estimate) == ("trash_objects", {"s3_tier1": 13, "s3_tier2": 13, "free": 13})
        work()
        assert job.items.get().message == "12 objects moved to the trash."
        assert all(key.startswith("trash/") for key in keys_of(bucket))

        address = f"/admin/media_catalog/job/{job.pk}/undo/"
        shown = admin_client.post(address)
        assert shown.context["count"] == 12
        assert not shown.context["follows"]
        fields = {"selection": shown.context["selection"], "token": shown.context["token"], "confirm": "1"}
        admin_client.post(address, fields)
        again = admin_client.post(address, fields)
        restoring = Job.objects.get(kind="restore")
        assert again.url.endswith(f"/job/{restoring.pk}/change/")
        work()
        assert restoring.items.get().message == "12 objects restored."
        assert keys_of(bucket) == names
        assert not TrashedObject.objects.exists()

    def test_what_cannot_be_moved_is_said_by_name(self, admin_client, bucket, monkeypatch):
        put(bucket, "large")
        monkeypatch.setattr(s3_objects, "MAX_COPY_BYTES", 3)
        said, _cost = messages_of(remove(admin_client, bucket, "large"))
        assert "large" in said
        assert "delete it with AWS tools" in said
        assert keys_of(bucket) == ["large"]

    def test_what_is_gone_already_is_said(self, admin_client, bucket):
        assert messages_of(remove(admin_client, bucket, "gone"))[0] == "1 object was gone already."

    def test_s3_away_is_said_and_the_object_moves_when_it_is_back(self, admin_client, bucket, monkeypatch):
        put(bucket, "a")
        with monkeypatch.context() as patched:
            patched.setattr(s3_objects, "copy_object", _away)
            assert "could not be reached" in messages_of(remove(admin_client, bucket, "a"))[0]
        [row] = admin_client.get(f"{LIST}?state=moving").context["cl"].result_list
        assert "could not be reached" in row.problem

        assert messages_of(remove(admin_client, bucket, "a"))[0].startswith("1 object moved")
        assert TrashedObject.objects.here().count() == 1

    def test_under_legal_hold_nothing_moves(self, admin_client, bucket):
        put(bucket, "a")
        Bucket.objects.filter(pk=bucket.pk).update(legal_hold=True)
        assert "legal hold" in messages_of(remove(admin_client, bucket, "a"))[0]
        assert keys_of(bucket) == ["a"]

    def test_the_trash_is_not_reached_by_the_browser_of_objects(self, admin_client, bucket):
        put(bucket, "a")
        remove(admin_client, bucket, "a")
        [key] = keys_of(bucket)

        assert "are kept for what this site moves aside" in messages_of(remove(admin_client, bucket, key))[0]
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
        assert keys_of(originals) == keys_of(bucket) == []


def _away(*args, **kwargs):
    raise AwsUnavailable("no answer")


class TestBuckets:
    def test_a_bucket_is_emptied_with_its_trash(self, admin_client, originals, store, work):
        trash_images(admin_client, work, store())
        put(originals, "plain")
        remove(admin_client, originals, "plain")
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
        trash_images(admin_client, work, store())
        for key in keys_of(originals):
            s3.delete_object(originals.name, key)
        admin_client.post(page(originals, "delete"), {"delete": "1"})
        assert not Bucket.objects.filter(pk=originals.pk).exists()
        assert not Image.everything.exists()

    def test_a_bucket_with_images_in_the_trash_keeps_its_role(self, admin_client, originals, store, work):
        trash_images(admin_client, work, store())
        with pytest.raises(BucketRefused, match="has_images"):
            buckets.assign(originals, role="general", accepts="any", partner=None)


def test_the_jobs_of_the_trash_go_on_in_turns(admin_client, bucket, work, monkeypatch):
    for number in range(12):
        put(bucket, f"{number}")
    monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)
    remove(admin_client, bucket, *(f"{number}" for number in range(12)))
    for _turn in range(12):
        assert Job.objects.get().state != Job.State.FINISHED
        JobItem.objects.update(not_before=None)
        work()
    item = Job.objects.get().items.get()
    assert (item.state, item.attempts) == (JobItem.State.DONE, 1)
    assert TrashedObject.objects.filter(trashed_at__lte=timezone.now()).count() == 12


def test_what_is_restored_meanwhile_does_not_go_once_more(admin_client, bucket, work, monkeypatch):
    for number in range(12):
        put(bucket, f"{number}")
    monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)
    remove(admin_client, bucket, *(f"{number}" for number in range(12)))
    work()
    [moved] = TrashedObject.objects.all()
    trash_restore.restore(pk=moved.pk)
    restored.follow_up(moved.run)
    assert not TrashedObject.objects.exists()

    monkeypatch.setattr(trash_objects, "TURN_SECONDS", 60)
    JobItem.objects.update(not_before=None)
    work()

    assert Job.objects.get().state == Job.State.FINISHED
    assert TrashedObject.objects.here().count() == 11
    assert moved.key in keys_of(bucket)
