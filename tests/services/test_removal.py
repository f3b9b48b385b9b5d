"""Removal takes objects, renditions and rows together, whatever else happens at the same time."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.aws.client import client
from media_catalog.exceptions import AwsNotFound, AwsUnavailable, ImageHeld
from media_catalog.jobs import schedules
from media_catalog.models import Analysis, Bucket, Face, Image, Leftover, Preset, Rendition, TrashedObject
from media_catalog.services import detection, removal, renditions
from media_catalog.services.selection import candidates
from tests.committing import committing
from tests.pictures import jpeg, one_face


def _keys(bucket: str) -> set[str]:
    return {entry["Key"] for entry in client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])}


def _nothing_is_left(originals) -> bool:
    objects = _keys(originals.name) | _keys(originals.renditions_bucket.name)
    return not objects and not any(model.objects.exists() for model in (Image, Rendition, Leftover))


@pytest.fixture
def at_delete(monkeypatch):
    """`at_delete(key, act)`: call `act` once, right before the object of that key is deleted."""

    def _at_delete(key, act):
        delete, todo = s3.delete_object, [act]

        def act_then_delete(bucket, name):
            if name == key and todo:
                todo.pop()()
            delete(bucket, name)

        monkeypatch.setattr(s3, "delete_object", act_then_delete)

    return _at_delete


def test_everything_goes(store, cloud, originals):
    image = store(one_face())
    renditions.make(image=image)
    detection.detect(image=image)
    assert candidates([image.pk])[0].held == 6
    mark = cloud.access_log.mark()

    assert removal.remove(image=image) == 7

    assert dict(cloud.access_log.operations(mark)) == {"DeleteObject": 7}
    assert _nothing_is_left(originals)
    assert not any(model.objects.exists() for model in (Analysis, Face))


def test_a_fault_in_the_middle_keeps_the_row_and_a_second_run_ends_it(store, originals, monkeypatch):
    image = store()
    renditions.make(image=image)
    delete = s3.delete_object
    calls = []

    def fails_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise AwsUnavailable("no answer")
        delete(*args)

    monkeypatch.setattr(s3, "delete_object", fails_at_the_third)
    with pytest.raises(AwsUnavailable):
        removal.remove(image=image)
    assert Image.objects.exists()
    assert _keys(originals.name) == {image.key}
    assert set(image.renditions.values_list("key", flat=True)) == _keys(originals.renditions_bucket.name)
    assert candidates([image.pk])[0].missing == 2

    removal.remove(image=image)
    assert _nothing_is_left(originals)


def test_what_is_under_legal_hold_stays_whole_and_costs_nothing(store, cloud, originals):
    image = store()
    renditions.make(image=image)
    Bucket.objects.filter(pk=originals.pk).update(legal_hold=True)  # after the image was loaded with its bucket
    mark = cloud.access_log.mark()

    with pytest.raises(ImageHeld):
        removal.remove(image=image)

    assert not cloud.access_log.operations(mark)
    assert image.renditions.count() == 6


class TestAgainstRenditions:
    def test_those_made_after_the_first_look_go_too(self, store, originals, at_delete):
        image = store()
        at_delete(image.key, lambda: renditions.make(image=image))

        assert removal.remove(image=image) == 7
        assert _nothing_is_left(originals)

    def test_one_written_anew_while_it_is_removed_goes_too(self, store, originals, at_delete, monkeypatch):
        """Its row is not dropped for the object that is gone: there is another object by now."""
        Preset.objects.exclude(slug="low").update(active=False)
        image = store()
        renditions.make(image=image)
        low = image.renditions.get()
        delete, todo = s3.delete_object, [True]

        def delete_then_make(bucket, key):
            delete(bucket, key)
            if key == low.key and todo:
                todo.clear()
                Rendition.objects.update(preset_version=0)  # what a second, earlier run would have seen
                renditions.make(image=image)

        monkeypatch.setattr(s3, "delete_object", delete_then_make)

        removal.remove(image=image)
        assert _nothing_is_left(originals)

    def test_a_second_removal_at_the_same_time_is_no_fault(self, store, originals, at_delete):
        image = store()
        renditions.make(image=image)
        at_delete(image.key, lambda: removal.remove(image=Image.objects.get()))

        removal.remove(image=image)
        assert _nothing_is_left(originals)

    @pytest.mark.database
    @committing
    @pytest.mark.parametrize("signal", [pre_save, post_save], ids=["before", "after"])
    @pytest.mark.parametrize("made_before", [False, True], ids=["first", "anew"])
    def test_a_row_that_is_being_written_leaves_nothing(self, store, originals, signal, made_before):
        """Over two connections: the row is about to be written, or not committed yet, when the removal begins."""
        Preset.objects.exclude(slug="low").update(active=False)
        image = store()
        if made_before:
            renditions.make(image=image)
            Preset.objects.update(version=2)
        saving = threading.Event()

        def hold(**kwargs):
            if not saving.is_set():
                saving.set()
                time.sleep(0.5)  # the transaction is open, with the image locked where there was a row

        def make():
            try:
                renditions.make(image=image)
            except AwsNotFound:
                pass
            finally:
                connection.close()

        signal.connect(hold, sender=Rendition)
        maker = threading.Thread(target=make)
        try:
            maker.start()
            assert saving.wait(10)
            removal.remove(image=Image.objects.get())
        finally:
            maker.join()
            signal.disconnect(hold, sender=Rendition)

        assert _nothing_is_left(originals)


class TestLeftovers:
    @pytest.fixture
    def leftover(self, originals):
        """An object that nobody needs, written long ago."""
        bucket = originals.renditions_bucket
        s3.put_object(bucket.name, "photo.jpg", jpeg(), content_type="image/jpeg")
        past = timezone.now() - timedelta(minutes=10)
        return Leftover.objects.create(bucket=bucket, key="photo.jpg", created_at=past, next_try_at=past)

    def test_the_schedule_deletes_object_and_row(self, leftover, originals):
        assert schedules.delete_leftovers() == 1
        assert _nothing_is_left(originals)

    def test_one_just_written_is_left_to_its_writer(self, leftover):
        Leftover.objects.update(next_try_at=timezone.now() + timedelta(minutes=1))

        assert schedules.delete_leftovers() == 0
        assert _keys(leftover.bucket.name) == {"photo.jpg"}

    def test_a_fault_is_tried_again_later_and_later(self, leftover, originals, monkeypatch, caplog):
        def away(*args):
            raise AwsUnavailable("no answer")

        with monkeypatch.context() as patched:
            patched.setattr(s3, "delete_object", away)
            assert schedules.delete_leftovers() == 0
        assert "photo.jpg" in caplog.text
        wait = Leftover.objects.get().next_try_at - timezone.now()
        assert timedelta(minutes=9) < wait < timedelta(minutes=11)
        assert schedules.delete_leftovers() == 0

        Leftover.objects.update(next_try_at=timezone.now())
        assert schedules.delete_leftovers() == 1
        assert _nothing_is_left(originals)

    def test_one_fault_does_not_hold_up_the_others(self, leftover, monkeypatch):
        Leftover.objects.create(bucket=leftover.bucket, key="second.jpg", next_try_at=timezone.now())
        delete = s3.delete_object

        def fails_for_the_first(bucket, key):
            if key == leftover.key:
                raise AwsUnavailable("no answer")
            delete(bucket, key)

        monkeypatch.setattr(s3, "delete_object", fails_for_the_first)

        assert schedules.delete_leftovers() == 1
        assert Leftover.objects.get() == leftover

    @pytest.mark.parametrize("ends", [{"key": "photo.jpg"}, {"state": "restoring", "restore_key": "photo.jpg"}])
    def test_while_an_object_is_on_its_way_from_or_to_the_key_it_waits(self, leftover, cloud, ends):
        facts = {"key": "was", "trash_key": "trash/x", "etag": "e", "size": 1, **ends}
        TrashedObject.objects.create(bucket=leftover.bucket, **facts)
        mark = cloud.access_log.mark()

        assert schedules.delete_leftovers() == 0
        assert Leftover.objects.get() == leftover
        assert not cloud.access_log.operations(mark)

    def test_an_object_in_use_again_stays(self, leftover, store, cloud):
        image = store()
        renditions.make(image=image)
        mark = cloud.access_log.mark()

        assert schedules.delete_leftovers() == 1

        assert not Leftover.objects.exists()
        assert not cloud.access_log.operations(mark)

    def test_while_an_image_of_that_name_has_no_thumbnail_yet_it_waits(self, leftover, store, cloud, originals):
        """The thumbnail may be written at any moment; should it never be, the leftover is still known."""
        image = store()
        mark = cloud.access_log.mark()

        assert schedules.delete_leftovers() == 0
        assert not cloud.access_log.operations(mark)

        removal.remove(image=image)
        Leftover.objects.update(next_try_at=timezone.now())
        assert schedules.delete_leftovers() == 1
        assert _nothing_is_left(originals)
