"""Faults on the way to the trash and back: nothing is lost, and a repeat or the sweep ends it."""

import time

import pytest
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import (
    AwsDenied,
    AwsUnavailable,
    ObjectRefused,
    QuotaRefused,
)
from media_catalog.imaging.probe import probe
from media_catalog.models import (
    Bucket,
    Image,
    Leftover,
    RequestLimit,
    TrashedObject,
)
from media_catalog.services import (
    arrivals,
    removal,
    renditions,
    trash,
    trash_purge,
    trash_sweep,
    uploads,
)
from media_catalog.services.limits import image_limits
from tests.pictures import jpeg, upload_file

from .objects import put_by_hand
from .trashing import again, bucket, failing, image, keys_of, restored

__all__ = ["bucket", "failing", "image"]


class TestFaults:
    """A fault at each step: nothing is lost, and a repeat or the sweep ends it."""

    MOVES = [
        (s3_objects, "copy_object", False, "repeat"),
        (s3_objects, "copy_object", True, "sweep"),
        (s3, "delete_exactly", False, "sweep"),
        (s3, "delete_exactly", True, "repeat"),
        (s3, "delete_object", False, "sweep"),
    ]

    @pytest.mark.parametrize(("module", "name", "after", "by"), MOVES)
    def test_s3_away_on_the_way_to_the_trash(self, image, bucket, failing, module, name, after, by):
        failing(module, name, AwsUnavailable("no answer"), after=after)
        with pytest.raises(AwsUnavailable):
            trash.move_image(image=image)
        assert not Image.objects.exists()
        assert "could not be reached" in TrashedObject.objects.get().problem or name == "delete_object"

        if by == "repeat":
            assert trash.move_image(image=again(image))
        else:
            assert trash_sweep.end_interrupted() == 0
            TrashedObject.objects.update(next_try_at=timezone.now())
            assert trash_sweep.end_interrupted() == 1

        trashed = TrashedObject.objects.get()
        assert (trashed.state, trashed.problem) == ("trashed", "")
        assert keys_of(bucket) == {trashed.trash_key}
        assert keys_of(bucket.renditions_bucket) == set()
        assert restored(image) == "p.jpg"

    @pytest.mark.parametrize(("module", "name"), [(s3_objects, "copy_object"), (s3, "delete_exactly")])
    def test_what_is_refused_for_good_is_undone(self, image, bucket, failing, module, name):
        failing(module, name, AwsDenied("no"))
        with pytest.raises(AwsDenied):
            trash.move_image(image=image)

        assert Image.objects.get() == image
        assert keys_of(bucket) == {image.key}
        assert image.renditions.count() == 2
        assert not TrashedObject.objects.exists()
        assert not Leftover.objects.exists()

    def test_what_is_refused_after_a_doubtful_try_loses_nothing(self, image, bucket, failing):
        """The DELETE was done and its answer lost; then all is refused: the trash has the only copy."""
        failing(s3, "delete_exactly", AwsUnavailable("no answer"), after=True)
        with pytest.raises(AwsUnavailable):
            trash.move_image(image=image)
        RequestLimit.objects.update(limit=0)

        with pytest.raises(QuotaRefused):
            trash.move_image(image=again(image))

        RequestLimit.objects.update(limit=1_000_000)
        assert keys_of(bucket) == {TrashedObject.objects.get().trash_key}
        TrashedObject.objects.update(next_try_at=timezone.now())
        assert trash_sweep.end_interrupted() == 1
        assert restored(image) == "p.jpg"

    def test_a_move_whose_key_is_another_image_s_by_now_ends(self, image, bucket, failing):
        failing(s3_objects, "copy_object", AwsUnavailable("no answer"))
        with pytest.raises(AwsUnavailable):
            trash.move_image(image=image)
        etag = s3.put_object(bucket.name, image.key, jpeg(70, 50), content_type="image/jpeg", overwrite=True)
        found = probe(upload_file(jpeg(70, 50), "p"), limits=image_limits())
        other = arrivals.record(bucket=bucket, key=image.key, etag=etag, size=1, sha256="", probe=found).image
        renditions.make(image=other)

        TrashedObject.objects.update(next_try_at=timezone.now())
        trash_sweep.end_interrupted()

        assert list(Image.everything.all()) == [other]
        assert not TrashedObject.objects.exists()
        Leftover.objects.update(next_try_at=timezone.now())
        removal.sweep()
        assert keys_of(bucket) == {image.key}
        assert keys_of(bucket.renditions_bucket) == {rendition.key for rendition in other.renditions.all()}

    def test_the_same_bytes_written_anew_are_not_taken_for_it(self, image, bucket, failing):
        """The DELETE was done and its answer lost; then others write the same object again."""
        body = s3.get_object(bucket.name, image.key).body
        failing(s3, "delete_exactly", AwsUnavailable("no answer"), after=True)
        with pytest.raises(AwsUnavailable):
            trash.move_image(image=image)
        time.sleep(1.1)  # S3 tells whole seconds
        second = uploads.store(file=upload_file(body, "p.jpg"), name="p.jpg", caption="", bucket=bucket, user=None)
        assert second.key == "p-2.jpg"
        put_by_hand(bucket, "p.jpg", body)

        assert trash.move_image(image=again(image))

        assert keys_of(bucket) == {"p.jpg", "p-2.jpg", TrashedObject.objects.get().trash_key}

    @pytest.mark.parametrize(("after", "by"), [(False, "sweep"), (True, "repeat"), (True, "sweep")])
    def test_s3_away_on_the_way_back(self, image, bucket, failing, after, by):
        trash.move_image(image=image)
        failing(s3_objects, "copy_object", AwsUnavailable("no answer"), after=after)
        with pytest.raises(AwsUnavailable):
            restored(image)
        assert not Image.objects.exists()

        if by == "repeat":
            assert restored(image) == "p.jpg"
        else:
            TrashedObject.objects.update(next_try_at=timezone.now())
            assert trash_sweep.end_interrupted() == 1
        assert Image.objects.get().key == "p.jpg"
        assert keys_of(bucket) == {"p.jpg"}

    def test_a_restore_that_is_refused_lies_in_the_trash_as_before(self, image, bucket, failing):
        trash.move_image(image=image)
        failing(s3_objects, "copy_object", AwsDenied("no"))
        with pytest.raises(AwsDenied):
            restored(image)

        trashed = TrashedObject.objects.get()
        assert (trashed.state, trashed.restore_key) == ("trashed", "")
        assert "denied" in trashed.problem
        assert restored(image) == "p.jpg"

    def test_what_the_trash_has_lost_is_said(self, image, bucket):
        trashed = trash.move_image(image=image)
        s3.delete_object(bucket.name, trashed.trash_key)

        with pytest.raises(ObjectRefused, match="not_in_trash"):
            restored(image)

        trashed.refresh_from_db()
        assert (trashed.state, bool(trashed.problem)) == ("trashed", True)
        assert trash_purge.purge(TrashedObject.objects.all()) == (1, True)
        assert not Image.everything.exists()

    def test_a_sweep_stops_while_s3_is_away(self, bucket, monkeypatch):
        for key in "abc":
            TrashedObject.objects.create(
                bucket=bucket, key=key, trash_key=key, etag="x", size=1, next_try_at=timezone.now()
            )
        calls = []

        def away(*args, **kwargs):
            calls.append(args)
            raise AwsUnavailable("no answer")

        monkeypatch.setattr(s3_objects, "copy_object", away)
        assert trash_sweep.end_interrupted() == 0
        assert len(calls) == 1
        assert TrashedObject.objects.interrupted(timezone.now()).count() == 2

    def test_a_purge_that_was_cut_off_is_ended(self, image, bucket, failing):
        trash.move_image(image=image)
        failing(s3_objects, "delete_objects", AwsUnavailable("no answer"), after=True)
        with pytest.raises(AwsUnavailable):
            trash_purge.purge(TrashedObject.objects.all())
        with pytest.raises(ObjectRefused):
            restored(image)

        TrashedObject.objects.update(next_try_at=timezone.now())
        assert trash_sweep.end_interrupted() == 1
        assert not Image.everything.exists()

    def test_a_purge_that_was_cut_off_and_is_held_by_now_is_not_settled(self, bucket):
        facts = {"key": "a", "trash_key": "trash/a", "etag": "x", "size": 1, "next_try_at": timezone.now()}
        TrashedObject.objects.create(bucket=bucket, state="purging", **facts)
        Bucket.objects.update(legal_hold=True)

        assert trash_sweep.end_interrupted() == 0
        assert TrashedObject.objects.get().state == "purging"

    def test_a_purge_that_is_refused_leaves_all_as_it_was(self, image, bucket, failing):
        trash.move_image(image=image)
        failing(s3_objects, "delete_objects", AwsDenied("no"))
        with pytest.raises(AwsDenied):
            trash_purge.purge(TrashedObject.objects.all())

        assert TrashedObject.objects.get().state == "trashed"
        assert restored(image) == "p.jpg"
