"""Copying and moving by jobs: large objects, and images of the catalogue with their renditions."""

import io

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from media_catalog.admin import object_transfer
from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsUnavailable
from media_catalog.jobs.enqueue import go_on
from media_catalog.models import Bucket, Finding, Image, Job, JobItem, RequestLimit
from media_catalog.services import files, renditions
from tests.services.objects import no_more

from .buckets import bucket, keys_of, messages_of, new_bucket, page, put
from .findings import take

__all__ = ["bucket", "take"]


@pytest.fixture(autouse=True)
def all_is_large(monkeypatch) -> None:
    monkeypatch.setattr(object_transfer, "AT_ONCE_BYTES", 3)


def _ask(client, bucket, key="a", to_key="b", how="move", to=None, **fields):
    where = {"bucket": (to or bucket).pk, "key": to_key}
    return client.post(page(bucket, "copy", key=key), {"how": how, **where, **fields})


def _confirm(client, bucket, shown, **fields):
    fields = {"etag": shown.context["etag"], "token": shown.context["token"], "confirm": "1", **fields}
    wanted = shown.context["wanted"]
    return _ask(
        client, bucket, wanted.key, wanted.to_key, "move" if wanted.moves else "copy", wanted.to_bucket, **fields
    )


class TestALargeObject:
    @pytest.mark.parametrize("how", ["move", "copy"])
    def test_is_shown_with_its_cost_then_a_job_does_it(self, admin_client, bucket, work, how):
        put(bucket, "a", b"content", content_type="text/csv")

        shown = _ask(admin_client, bucket, how=how)

        assert "7\xa0bytes" in shown.content.decode()
        assert "This page cost 2 GET-class requests." in shown.content.decode()
        assert keys_of(bucket) == ["a"]
        job_page = _confirm(admin_client, bucket, shown)
        job = Job.objects.get()
        assert job_page.url == reverse("admin:media_catalog_job_change", args=[job.pk])
        assert (job.kind, job.scope) == (f"{how}_object", f"“a” to “b” in {bucket}")
        work()
        item = job.items.get()
        said = "Moved" if how == "move" else "Copied"
        assert (item.state, item.message) == ("done", f"{said} to “b” in {bucket}.")
        assert keys_of(bucket) == (["b"] if how == "move" else ["a", "b"])
        assert s3.get_object(bucket.name, "b").content_type == "text/csv"
        assert f"requested (job {job})" in LogEntry.objects.get().change_message

    def test_a_taken_key_is_said_before_any_job(self, admin_client, bucket):
        put(bucket, "a")
        put(bucket, "b")
        assert "exists already" in _ask(admin_client, bucket).context["form"].errors["key"][0]

    def test_more_than_s3_copies_is_said(self, admin_client, bucket, monkeypatch):
        monkeypatch.setattr(s3_objects, "MAX_COPY_BYTES", 4)
        put(bucket, "a")
        assert "with AWS tools" in _ask(admin_client, bucket).context["form"].errors["key"][0]

    def test_a_key_taken_meanwhile_fails_the_job_and_a_retry_does_it(self, admin_client, bucket, work):
        put(bucket, "a")
        shown = _ask(admin_client, bucket)
        put(bucket, "b", b"theirs")
        _confirm(admin_client, bucket, shown)
        work()
        first = Job.objects.get()
        assert (first.items.get().state, first.items.get().code) == ("failed", "conflict")
        assert keys_of(bucket) == ["a", "b"]
        s3.delete_object(bucket.name, "b")

        again = reverse("admin:media_catalog_job_retry", args=[first.pk])
        asked = admin_client.post(again)
        assert "exists already" in asked.content.decode()
        admin_client.post(again, {"confirm": "1", "token": asked.context["token"]})
        work()

        assert keys_of(bucket) == ["b"]

    def test_the_same_form_twice_is_one_job(self, admin_client, bucket):
        put(bucket, "a")
        shown = _ask(admin_client, bucket)
        for _time in range(2):
            _confirm(admin_client, bucket, shown)
        assert Job.objects.count() == 1

    @pytest.mark.parametrize("etag", ["", "\x00", "x" * 81, "two words"])
    def test_a_form_made_by_hand_is_asked_about(self, admin_client, bucket, etag):
        put(bucket, "a")
        shown = _ask(admin_client, bucket, confirm="1", etag=etag)
        assert shown.context["cost_lines"]
        assert not Job.objects.exists()

    def test_another_object_by_then_stays(self, admin_client, bucket, work):
        put(bucket, "a")
        shown = _ask(admin_client, bucket)
        etag = put(bucket, "a", b"written since")
        _confirm(admin_client, bucket, shown)
        work()
        assert Job.objects.get().items.get().state == "failed"
        assert s3.head_object(bucket.name, "a").etag == etag

    def test_what_does_not_fit_can_be_parked(self, admin_client, bucket, work):
        put(bucket, "a")
        shown = _ask(admin_client, bucket)
        no_more("s3_tier1")
        refused = _confirm(admin_client, bucket, shown)
        assert "does not fit" in messages_of(admin_client.get(refused.url))[0]
        assert _ask(admin_client, bucket).context["cost_parked_until"]
        _confirm(admin_client, bucket, shown, park="1")
        assert Job.objects.get().state == Job.State.PARKED
        RequestLimit.objects.update(limit=1_000_000)
        assert keys_of(bucket) == ["a"]
        go_on(Job.objects.get())
        work()
        assert keys_of(bucket) == ["b"]

    def test_s3_away_for_a_moment_is_tried_again(self, admin_client, bucket, work, monkeypatch):
        put(bucket, "a")
        _confirm(admin_client, bucket, _ask(admin_client, bucket))
        with monkeypatch.context() as patch:
            copy = s3_objects.copy_object

            def unanswered(*args, **kwargs):
                copy(*args, **kwargs)
                raise AwsUnavailable("no answer")

            patch.setattr(s3_objects, "copy_object", unanswered)
            work()
        assert keys_of(bucket) == ["a", "b"]
        JobItem.objects.update(not_before=None)
        work()
        assert Job.objects.get().items.get().state == "done"
        assert keys_of(bucket) == ["b"]

    def test_needs_the_permission_to_write_also_when_the_job_runs(self, client, bucket, work, staff_with):
        put(bucket, "a")
        user = staff_with("browse_objects", "write_objects")
        client.force_login(user)
        _confirm(client, bucket, _ask(client, bucket))
        user.user_permissions.clear()
        work()
        assert Job.objects.get().items.get().code == "not_permitted"
        assert keys_of(bucket) == ["a"]


class TestWhereTheCatalogueKnowsAll:
    """No object comes there that the next inventory would find without a row."""

    @pytest.mark.parametrize("how", ["move", "copy"])
    @pytest.mark.parametrize("catalogued", [True, False], ids=["image", "object"])
    def test_nothing_unknown_comes_to_originals(self, admin_client, originals, store, bucket, cloud, how, catalogued):
        image = store()
        place, key = (originals, image.key) if catalogued else (bucket, "a")
        put(bucket, "a")
        mark = cloud.access_log.mark()
        refused = _ask(admin_client, place, key, "b.jpg", how, originals)
        if catalogued and how == "move":
            assert refused.context["renditions"] == 0
        else:
            assert "download it and upload it there" in refused.context["form"].errors["key"][0]
            assert not cloud.access_log.since(mark)

    def test_nor_to_catalogued_files(self, admin_client, originals, store, bucket):
        image, kept = store(), new_bucket()
        files.store(file=io.BytesIO(b"x"), name="a.txt", description="known", bucket=kept, user=None)
        put(bucket, "a")
        for place, key, how in [(originals, image.key, "copy"), (bucket, "a", "copy"), (bucket, "a", "move")]:
            refused = _ask(admin_client, place, key, "b.txt", how, kept)
            assert "Upload it on the page “Files”" in refused.context["form"].errors["key"][0]

    def test_what_is_unknown_there_may_get_another_name(self, admin_client, originals, work):
        put(originals, "a.jpg")
        put(originals, "temp/b.jpg")
        refused = _ask(admin_client, originals, "temp/b.jpg", "b.jpg")
        assert "upload it there" in refused.context["form"].errors["key"][0]
        _confirm(admin_client, originals, _ask(admin_client, originals, "a.jpg", "c.jpg"))
        _confirm(admin_client, originals, _ask(admin_client, originals, "temp/b.jpg", "temp/d.jpg", "copy"))
        work()
        assert keys_of(originals) == ["c.jpg", "temp/b.jpg", "temp/d.jpg"]

    def test_a_job_asks_again(self, admin_client, bucket, work):
        kept = new_bucket()
        put(bucket, "a")
        _confirm(admin_client, bucket, _ask(admin_client, bucket, to=kept))
        files.store(file=io.BytesIO(b"x"), name="a.txt", description="known", bucket=kept, user=None)
        work()
        assert "Upload it on the page “Files”" in Job.objects.get().items.get().message
        assert (keys_of(bucket), keys_of(kept)) == (["a"], ["a.txt"])


class TestAnImage:
    def test_moves_with_its_renditions_by_a_job(self, admin_client, originals, store, work):
        image = store()
        renditions.make(image=image)

        shown = _ask(admin_client, originals, image.key, "album/new.jpg")

        text = shown.content.decode()
        assert "6 renditions move along." in text
        assert "This page cost 1 GET-class request." in text
        _confirm(admin_client, originals, shown)
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.message, item.image) == ("done", f"Moved to “album/new.jpg” in {originals}.", image)
        assert Image.objects.get().key == "album/new.jpg"
        assert keys_of(originals) == ["album/new.jpg"]
        assert renditions.make(image=Image.objects.get()) == 0

    def test_a_copy_of_it_is_an_object_elsewhere(self, admin_client, originals, store, bucket, work, take):
        image = store()
        _confirm(admin_client, originals, _ask(admin_client, originals, image.key, "copy.jpg", "copy", bucket))
        work()
        assert Job.objects.get().kind == "copy_object"
        assert (keys_of(originals), keys_of(bucket)) == ([image.key], ["copy.jpg"])
        assert Image.objects.get().key == image.key
        take(originals, bucket)
        assert not Finding.objects.exists()

    def test_not_where_it_is(self, admin_client, originals, store):
        image = store()
        assert "exists already" in _ask(admin_client, originals, image.key, image.key).context["form"].errors["key"][0]

    def test_not_to_a_bucket_without_renditions(self, admin_client, originals, store, bucket):
        refused = admin_client.post(
            page(originals, "copy", key=store().key), {"how": "move", "bucket": bucket.pk, "key": "a.jpg"}
        )
        assert "paired" in refused.context["form"].errors["key"][0]

    def test_a_legal_hold_that_comes_meanwhile_is_kept(self, admin_client, originals, store, work):
        image = store()
        shown = _ask(admin_client, originals, image.key)
        Bucket.objects.update(legal_hold=True)
        _confirm(admin_client, originals, shown)
        work()
        assert Job.objects.get().items.get().state == "skipped"
        assert keys_of(originals) == [image.key]

    def test_a_failed_one_is_retried_behind_its_cost(self, admin_client, originals, store, work):
        image = store()
        shown = _ask(admin_client, originals, image.key, "taken.jpg")
        put(originals, "taken.jpg")
        _confirm(admin_client, originals, shown)
        work()
        assert Job.objects.get().items.get().code == "conflict"
        s3.delete_object(originals.name, "taken.jpg")
        again = reverse("admin:media_catalog_job_retry", args=[Job.objects.get().pk])

        asked = admin_client.post(again).context
        fields = {name: asked[name] for name in ("selection", "counted_options", "token")}
        admin_client.post(again, {**fields, "confirm": "1"})
        work()

        assert Image.objects.get().key == "taken.jpg"
