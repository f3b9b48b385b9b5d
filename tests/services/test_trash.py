"""The trash: what is deleted can come back, whole, and nothing is lost on the way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from media_catalog import jobs
from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import (
    AwsConflict,
    AwsDenied,
    AwsNotFound,
    AwsUnavailable,
    ImageHeld,
    ObjectRefused,
)
from media_catalog.imaging.probe import probe
from media_catalog.jobs import schedules
from media_catalog.models import (
    Analysis,
    AuditEvent,
    Bucket,
    Face,
    Image,
    Job,
    JobItem,
    Leftover,
    Preset,
    Rendition,
    TrashedObject,
    Upload,
)
from media_catalog.quota import meter
from media_catalog.quota.attribution import attribute
from media_catalog.services import (
    arrivals,
    detection,
    free_keys,
    removal,
    renditions,
    restore_costs,
    trash,
    trash_objects,
    trash_purge,
    trash_restore,
    uploads,
)
from media_catalog.services.limits import image_limits
from tests.admin.buckets import new_bucket
from tests.pictures import jpeg, one_face, upload_file

from .objects import put_by_hand
from .trashing import again, bucket, failing, image, keys_of, restored

__all__ = ["bucket", "failing", "image"]
KEYS = ["a//b/../c", "new\nline.txt", "ü" * 512, "trailing/slash/"]  # all of them: tests/admin/test_object_keys.py


class TestAnImage:
    def test_goes_with_one_copy_and_comes_back(self, image, bucket):
        body = s3.get_object(bucket.name, image.key).body
        with meter.tally() as spent, attribute(username="nobody-known"):
            trashed = trash.move_image(image=image)
        assert spent == {"s3_tier1": 1, "free": 3}
        assert not Image.objects.exists()
        assert not Rendition.objects.exists()
        assert keys_of(bucket) == {trashed.trash_key}
        assert keys_of(bucket.renditions_bucket) == set()
        trashed.refresh_from_db()
        assert (trashed.state, trashed.key, trashed.name) == ("trashed", "p.jpg", "p.jpg")
        assert trashed.trashed_by_name == "nobody-known"
        assert trashed.purge_at - trashed.trashed_at == timedelta(days=30)

        estimate = restore_costs.cost(TrashedObject.objects.all())
        with meter.tally() as spent:
            assert restored(image) == "p.jpg"
        assert spent == estimate
        assert keys_of(bucket) == {"p.jpg"}
        held = s3.get_object(bucket.name, "p.jpg")
        assert (held.body, held.content_type, held.etag) == (body, "image/jpeg", Image.objects.get().etag)
        assert schedules.settle_trash() == 0
        TrashedObject.objects.update(next_try_at=timezone.now())
        assert schedules.settle_trash() == 1
        assert not TrashedObject.objects.exists()
        assert Job.objects.get().kind == "make_renditions"
        assert renditions.make(image=again(image)) == 2

    def test_under_a_taken_key_it_comes_back_beside_it(self, image, bucket):
        trash.move_image(image=image)
        second = uploads.store(file=upload_file(jpeg(), "p.jpg"), name="p.jpg", caption="", bucket=bucket, user=None)
        put_by_hand(bucket, "p-2.jpg", b"theirs")

        assert second.key == "p.jpg"
        assert restored(image) == "p-3.jpg"
        assert again(image).key == "p-3.jpg"
        assert s3.get_object(bucket.name, "p-2.jpg").body == b"theirs"
        assert Image.objects.count() == 2

    def test_another_object_at_s3_is_not_moved(self, image, bucket):
        s3.put_object(bucket.name, image.key, b"theirs", content_type="image/jpeg", overwrite=True)

        with pytest.raises(ObjectRefused, match="changed"):
            trash.move_image(image=image)

        assert Image.objects.get() == image
        assert keys_of(bucket) == {image.key}
        assert image.renditions.count() == 2
        assert not TrashedObject.objects.exists()

    def test_without_an_object_it_goes_for_good(self, image, bucket):
        s3.delete_object(bucket.name, image.key)

        assert trash.move_image(image=image) is None

        assert not any(model.objects.exists() for model in (TrashedObject, Rendition, Leftover))
        assert not Image.everything.exists()
        assert keys_of(bucket.renditions_bucket) == set()

    def test_a_bucket_that_is_gone_is_no_absence_of_its_objects(self, image, bucket):
        bucket.name = image.bucket.name = f"{bucket.name}-no-more"
        bucket.save()

        with pytest.raises(AwsNotFound):
            trash.move_image(image=image)

        assert Image.objects.get() == image

    def test_an_etag_of_parts_changes_on_the_way_and_the_faces_stay_current(self, image, bucket):
        Analysis.objects.create(image=image, state="no_faces", source_etag=image.etag, detector="d")
        trash.move_image(image=image)
        TrashedObject.objects.update(etag="0123-2")

        restored(image)

        assert detection.is_current(again(image))

    def test_restored_and_deleted_again_before_its_renditions_are_made(self, image, bucket):
        trash.move_image(image=image)
        restored(image)
        trash.move_image(image=again(image))

        assert TrashedObject.objects.get().state == "trashed"
        assert restored(image) == "p.jpg"


class TestObjects:
    @pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:16]))
    def test_any_key_goes_and_comes_back(self, bucket, key):
        put_by_hand(bucket, key, b"body")

        with meter.tally() as spent:
            trashed = trash.move_object(bucket=bucket, key=key)
        assert spent == trash.cost_of_moving(1)
        assert keys_of(bucket) == {trashed.trash_key}
        assert trash_restore.restore(pk=trashed.pk) == key
        assert s3.get_object(bucket.name, key).body == b"body"

        trashed = trash.move_object(bucket=bucket, key=key)
        put_by_hand(bucket, key, b"another")
        beside = trash_restore.restore(pk=trashed.pk)
        assert beside != key
        assert len(beside.encode()) <= 1024
        assert {s3.get_object(bucket.name, each).body for each in (key, beside)} == {b"body", b"another"}

    def test_of_0_bytes_too(self, bucket):
        put_by_hand(bucket, "empty", b"")
        assert trash_restore.restore(pk=trash.move_object(bucket=bucket, key="empty").pk) == "empty"

    def test_what_must_not_be_moved_is_refused_before_any_request(self, image, bucket):
        held = Bucket.objects.create(name="held", legal_hold=True)
        with meter.tally() as spent:
            for place, key, why in [
                (bucket, image.key, "catalogued"),
                (bucket, "trash/2026-01-01/x", "key_reserved"),
                (bucket, "quarantine/x", "key_reserved"),
                (bucket, "", "key_empty"),
                (bucket, "a\x00", "key_characters"),
                (held, "a", "held"),
            ]:
                with pytest.raises(ObjectRefused, match=why):
                    trash.move_object(bucket=place, key=key)
            Image.objects.update(size=s3_objects.MAX_COPY_BYTES + 1)
            with pytest.raises(ObjectRefused, match="too_large"):
                trash.move_image(image=image)
            Bucket.objects.update(legal_hold=True)
            with pytest.raises(ImageHeld):
                trash.move_image(image=image)
        assert not spent
        assert not TrashedObject.objects.exists()

    def test_many_in_turns_go_on_where_they_stopped(self, bucket, monkeypatch):
        for key in "abc":
            put_by_hand(bucket, key, b"x")
        monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)

        keys = ["a", "b", "gone", "c"]
        turns = [trash_objects.move_objects(bucket=bucket, keys=keys, run="r", settled=set()) for _turn in range(4)]

        assert [turn.done for turn in turns[:2]] == [False, False]
        assert turns[-1].count == 3
        assert not any(turn.failed for turn in turns)
        assert TrashedObject.objects.here().count() == 3

    def test_one_that_is_refused_does_not_hold_up_the_others(self, bucket, image):
        put_by_hand(bucket, "a", b"x")

        moved = trash_objects.move_objects(bucket=bucket, keys=[image.key, "a"], run="r", settled=set())

        assert (moved.count, moved.done) == (1, True)
        [(key, why)] = moved.failed
        assert key == image.key
        assert "image of the catalogue" in why

    def test_a_conflict_of_two_who_restore_is_no_loss(self, bucket, monkeypatch):
        put_by_hand(bucket, "a.txt", b"first")
        trashed = trash.move_object(bucket=bucket, key="a.txt")
        copy, todo = s3_objects.copy_object, [True]

        def somebody_was_faster(*args, **kwargs):
            if todo:
                todo.clear()
                raise AwsConflict("a.txt")
            return copy(*args, **kwargs)

        monkeypatch.setattr(s3_objects, "copy_object", somebody_was_faster)
        assert trash_restore.restore(pk=trashed.pk) == "a-2.txt"

    def test_of_two_that_restore_at_the_same_time_one_copy_stays(self, bucket, monkeypatch):
        """The other run finds the key taken by our copy, and comes back beside it."""
        put_by_hand(bucket, "a.txt", b"first")
        trashed = trash.move_object(bucket=bucket, key="a.txt")
        copy, others = s3_objects.copy_object, []

        def other_run_meanwhile(*args, **kwargs):
            etag = copy(*args, **kwargs)
            if not others:
                TrashedObject.objects.filter(pk=trashed.pk).update(state="trashed", restore_key="")
                others.append("")
                others.append(trash_restore.restore(pk=trashed.pk))
            return etag

        monkeypatch.setattr(s3_objects, "copy_object", other_run_meanwhile)
        trash_restore.restore(pk=trashed.pk)

        assert others[1] == "a-2.txt"
        assert keys_of(bucket) == {"a-2.txt"}
        assert not Leftover.objects.exists()


class TestOthers:
    def test_keys_on_their_way_are_given_to_nobody(self, bucket, image):
        TrashedObject.objects.create(bucket=bucket, key="a.jpg", trash_key="trash/1", etag="", size=1)
        TrashedObject.objects.create(
            bucket=bucket, key="x", trash_key="trash/2", etag="", size=1, state="restoring", restore_key="b.jpg"
        )
        saved = free_keys.save([Upload(bucket=bucket, name=name) for name in "ab"], ["a.jpg", "b.jpg"])
        assert [upload.key for upload in saved] == ["a-2.jpg", "b-2.jpg"]

    def test_a_new_object_under_the_key_is_a_new_image(self, bucket, image):
        trash.move_image(image=image)
        found = probe(upload_file(jpeg(), "p"), limits=image_limits())
        arrival = arrivals.record(bucket=bucket, key="p.jpg", etag="e", size=1, sha256="", probe=found)
        assert arrival.new
        assert arrival.image.pk != image.pk

    def test_renditions_that_a_job_was_making_do_not_rise_again(self, bucket, image):
        trash.move_image(image=image)
        image.renditions.all().delete()

        with pytest.raises(AwsNotFound):
            renditions.make_one(image=image, preset=Preset.objects.get(slug="low"))

        assert not Rendition.objects.exists()


class TestPurging:
    def test_a_thousand_with_one_request_and_rows_with_faces(self, bucket, image):
        Face.objects.create(
            analysis=Analysis.objects.create(image=image, state="faces", source_etag="x", detector="d"),
            number=1, left=0, top=0, width=1, height=1, confidence=99,
        )  # fmt: skip
        trash.move_image(image=image)
        rows = [
            TrashedObject(bucket=bucket, key=f"{n}", trash_key=f"trash/{n}", etag="", size=1, state="trashed")
            for n in range(1500)
        ]
        TrashedObject.objects.bulk_create(rows)
        assert trash_purge.cost(TrashedObject.objects.all()) == {"s3_tier1": 2}

        with meter.tally() as spent:
            assert trash_purge.purge(TrashedObject.objects.all()) == (1501, True)

        assert spent == {"s3_tier1": 2}
        assert keys_of(bucket) == set()
        assert not any(model.objects.exists() for model in (TrashedObject, Analysis, Face))
        assert not Image.everything.exists()

    @pytest.mark.parametrize("counts", [(1,), (2, 1), (1, 1), (1001, 3)])
    def test_the_estimate_is_what_is_measured(self, bucket, counts):
        for number, count in enumerate(counts):
            place = bucket if not number else new_bucket()
            TrashedObject.objects.bulk_create(
                TrashedObject(bucket=place, key=f"{n}", trash_key=f"trash/{n}", etag="", size=1, state="trashed")
                for n in range(count)
            )
        estimate = trash_purge.cost(TrashedObject.objects.all())

        with meter.tally() as spent:
            trash_purge.purge(TrashedObject.objects.all())

        assert spent == {name: count for name, count in estimate.items() if count}

    def test_legal_hold_holds_in_the_trash_too(self, bucket, image):
        trash.move_image(image=image)
        TrashedObject.objects.update(purge_at=timezone.now())
        Bucket.objects.update(legal_hold=True)

        assert schedules.purge_trash() == 0
        assert trash_purge.purge(TrashedObject.objects.all()) == (0, True)
        assert restored(image) == "p.jpg"

    def test_the_schedule_takes_what_is_over_its_date(self, bucket, image, settings):
        settings.TRASH_DAYS = 0
        put_by_hand(bucket, "for ever", b"x")
        trash.move_object(bucket=bucket, key="for ever")
        settings.TRASH_DAYS = 1
        trash.move_image(image=image)
        assert schedules.purge_trash() == 0

        TrashedObject.objects.exclude(purge_at=None).update(purge_at=timezone.now())
        assert schedules.purge_trash() == 1
        event = AuditEvent.objects.get(action="trash_purged")
        assert (event.target, event.username, event.before) == (bucket.name, "", {"count": 1, "first": ["p.jpg"]})
        assert TrashedObject.objects.get().key == "for ever"
        assert not Image.everything.exists()

    def test_a_fault_of_one_bucket_does_not_hold_up_the_others(self, bucket, image, monkeypatch):
        other = Bucket.objects.create(name="first-by-id", pk=bucket.pk + 1000)
        rows = [TrashedObject(bucket=other, key="x", trash_key="x", etag="", size=1, state="trashed")]
        TrashedObject.objects.bulk_create(rows)
        trash.move_image(image=image)
        TrashedObject.objects.update(purge_at=timezone.now())
        delete = s3_objects.delete_objects

        def denied(name, keys):
            if name == bucket.name:
                raise AwsDenied("no")
            delete(name, keys)

        monkeypatch.setattr(s3_objects, "delete_objects", denied)
        assert schedules.purge_trash() == 1
        assert TrashedObject.objects.get().bucket == bucket


def test_the_verdict_of_a_removal_for_good_takes_the_trashed_row_too(image, bucket):
    trash.move_image(image=image)
    removal.remove_row(image)
    assert not Image.everything.exists()
    assert not TrashedObject.objects.exists()


def test_items_of_an_image_in_the_trash_are_gone_and_its_removal_goes_on(image, bucket, failing, work):
    making = jobs.start(kind="make_renditions", user=None, images=[image.pk])
    removing = jobs.start(kind="remove_images", user=None, images=[image.pk])
    failing(s3_objects, "copy_object", AwsUnavailable("no answer"))
    work()  # the later job first
    assert removing.items.get().state == JobItem.State.QUEUED
    assert making.items.get().code == "gone"

    JobItem.objects.update(not_before=None)
    work()
    assert removing.items.get().message == "Moved to the trash."
    assert TrashedObject.objects.get().job == removing
    assert Job.objects.get(pk=removing.pk).estimate == {"s3_tier1": 1, "free": 3}


def test_faces_of_a_restored_image_are_those_of_before(bucket):
    stored = uploads.store(file=upload_file(one_face(), "f.jpg"), name="f.jpg", caption="", bucket=bucket, user=None)
    detection.detect(image=stored)
    trash.move_image(image=stored)
    restored(stored)

    assert Face.objects.filter(analysis__image=stored).count() == 1
    assert detection.is_current(again(stored))
