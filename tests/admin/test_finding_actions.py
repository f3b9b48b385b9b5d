"""What staff do about findings, and what comes of it."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.models import Bucket, Finding, Image, Job, Leftover, Rendition, Upload
from media_catalog.services import inventory
from tests.pictures import jpeg
from tests.reconciling import uploads

from .buckets import messages_of, page, put
from .findings import LIST, Kind, State, act, choose, found, keys, one, take

__all__ = ["act", "found", "take"]
pytestmark = pytest.mark.database


def _cut_off(*_args: object, **_more: object) -> None:
    raise RuntimeError


class TestActing:
    def test_adopt_catalogues_objects_and_settles_uploads(self, found, act, cloud):
        mark = cloud.access_log.mark()
        item = act("adopt")

        assert item.state == "done"
        assert Image.objects.filter(bucket=found, key="other/new.jpg").exists()
        assert Upload.objects.get(key="stale.jpg").status == "failed"  # nothing had come
        adopted = one(Kind.OBJECT_WITHOUT_ROW)
        assert (adopted.state, adopted.action, adopted.acted_by) == (State.RESOLVED, "adopt", "admin")
        sent = cloud.access_log.operations(mark)
        assert sent == {"HeadObject": 2, "GetObject": 1}
        assert item.job.estimate == {"s3_tier2": 3} == item.requests
        assert LogEntry.objects.filter(change_message__contains="Adopt what was found").exists()

    def test_recreate_makes_the_rendition_again(self, found, act):
        lost = one(Kind.ROW_WITHOUT_OBJECT, rendition__isnull=False)
        item = act("recreate")

        assert item.state == "done"
        rendition = Rendition.objects.get(pk=lost.rendition_id)
        assert s3.head_object(rendition.bucket.name, rendition.key)
        lost.refresh_from_db()
        assert (lost.state, lost.result) == (State.RESOLVED, "Made again.")
        assert one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg").state == State.OPEN

    def test_quarantine_and_back(self, found, act, take):
        renditions = found.renditions_bucket
        item = act("quarantine")

        assert item.message == "2 findings resolved."
        new, orphan = one(Kind.OBJECT_WITHOUT_ROW), one(Kind.RENDITION_WITHOUT_ORIGINAL)
        assert new.quarantine_key == f"quarantine/{new.pk}/other/new.jpg"
        assert f"quarantine/{new.pk}/other/new.jpg" in keys(found)
        assert "other/new.jpg" not in keys(found)
        assert f"quarantine/{orphan.pk}/low/orphan.jpg" in keys(renditions)
        take(found, renditions)
        live = Finding.objects.live().filter(kind__in=[Kind.OBJECT_WITHOUT_ROW, Kind.RENDITION_WITHOUT_ORIGINAL])
        assert not live.exists()

        act("restore")
        assert "other/new.jpg" in keys(found)
        assert "low/orphan.jpg" in keys(renditions)
        new.refresh_from_db()
        assert (new.state, new.action) == (State.RESOLVED, "restore")

    @pytest.mark.parametrize("action", ["quarantine", "delete"])
    def test_what_is_more_than_s3_copies_stays_and_is_counted_so(self, found, act, cloud, monkeypatch, action):
        Finding.objects.exclude(key="other/new.jpg").delete()
        monkeypatch.setattr(s3_objects, "MAX_COPY_BYTES", 3)
        mark = cloud.access_log.mark()

        item = act(action)

        left = one(Kind.OBJECT_WITHOUT_ROW)
        assert left.state == State.OPEN
        assert "with AWS tools" in left.result
        assert set(cloud.access_log.operations(mark)) == {"HeadObject"}
        assert item.job.estimate == item.requests
        assert "other/new.jpg" in keys(found)

    def test_nothing_is_put_back_over_another(self, found, act):
        act("quarantine")
        put(found, "other/new.jpg", b"another, of another size")
        act("restore")

        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert new.result == "An object with this key exists already."
        assert new.quarantine_key in keys(found)
        assert s3.get_object(found.name, "other/new.jpg").body == b"another, of another size"

    def test_nor_over_another_of_the_same_size(self, found, act):
        act("quarantine")
        put(found, "other/new.jpg", b"x" * len(jpeg()))
        act("restore")

        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert new.result == "An object with this key exists already."
        assert s3.get_object(found.name, new.quarantine_key).body == jpeg()
        assert s3.get_object(found.name, "other/new.jpg").body == b"x" * len(jpeg())

    def test_nor_where_something_is_on_its_way(self, found, act):
        act("quarantine")
        new, orphan = one(Kind.OBJECT_WITHOUT_ROW), one(Kind.RENDITION_WITHOUT_ORIGINAL)
        uploads(found, ["other/new.jpg"])
        Leftover.objects.create(bucket=orphan.bucket, key=orphan.key)
        act("restore")

        assert "An upload is under way" in one(Kind.OBJECT_WITHOUT_ROW).result
        assert one(Kind.RENDITION_WITHOUT_ORIGINAL).result == "An object with this key exists already."
        assert new.quarantine_key in keys(found)
        assert orphan.quarantine_key in keys(orphan.bucket)

    def test_what_is_written_while_it_moves_stays(self, found, act, monkeypatch):
        copy = s3_objects.copy_object

        def slowly(bucket, key, **rest):
            etag = copy(bucket, key, **rest)
            if key == "other/new.jpg":
                put(found, key, b"newer")
            return etag

        monkeypatch.setattr(s3_objects, "copy_object", slowly)
        act("quarantine")

        assert s3.get_object(found.name, "other/new.jpg").body == b"newer"
        assert one(Kind.OBJECT_WITHOUT_ROW).state == State.OPEN

    def test_nothing_moves_under_legal_hold(self, found, act):
        Bucket.objects.filter(pk=found.pk).update(legal_hold=True)
        act("quarantine")
        assert "legal hold" in one(Kind.OBJECT_WITHOUT_ROW).result
        assert "other/new.jpg" in keys(found)

        Bucket.objects.filter(pk=found.pk).update(legal_hold=False)
        act("quarantine")
        Bucket.objects.filter(pk=found.pk).update(legal_hold=True)
        act("restore")
        assert "legal hold" in one(Kind.OBJECT_WITHOUT_ROW).result
        assert "other/new.jpg" not in keys(found)

    @pytest.mark.parametrize("again", ["quarantine", "delete", "adopt"])
    def test_a_move_to_quarantine_that_was_cut_off_at_its_end(self, found, act, monkeypatch, again):
        with monkeypatch.context() as cut:
            cut.setattr(inventory, "forget", _cut_off)
            act("quarantine")
        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert (new.state, "other/new.jpg" in keys(found)) == (State.OPEN, False)
        act(again)

        new.refresh_from_db()
        assert (new.state, new.action, new.result) == (State.RESOLVED, "quarantine", "Moved to quarantine.")
        act("restore")
        assert "other/new.jpg" in keys(found)

    def test_a_way_back_that_was_cut_off_at_its_end(self, found, act):
        act("quarantine")
        Finding.objects.exclude(kind=Kind.OBJECT_WITHOUT_ROW).delete()
        new = one(Kind.OBJECT_WITHOUT_ROW)
        act("restore")
        Finding.objects.filter(pk=new.pk).update(action="quarantine")
        act("restore")

        new.refresh_from_db()
        assert new.action == "restore"
        assert new.result.startswith("Put back.")

    def test_delete_takes_objects_rows_and_uploads(self, found, act):
        stale = put(found, "stale.jpg", b"half")
        assert stale
        item = act("delete")

        assert item.message == "5 findings resolved."
        assert "other/new.jpg" not in keys(found)
        assert "low/orphan.jpg" not in keys(found.renditions_bucket)
        assert not Image.objects.filter(key="gone.jpg").exists()
        assert not Rendition.objects.filter(preset__slug="low").exists()
        assert Image.objects.filter(key="unmade.jpg").exists()
        assert Upload.objects.get(key="stale.jpg").status == "failed"
        assert set(Finding.objects.values_list("state", flat=True)) == {State.RESOLVED}

    def test_dismiss_and_reopen(self, found, admin_client):
        choose(admin_client, "dismiss")
        assert "5 findings changed." in messages_of(admin_client.get(LIST))
        assert set(Finding.objects.values_list("state", flat=True)) == {State.DISMISSED}
        assert not admin_client.get(LIST).context["cl"].result_count
        choose(admin_client, "reopen")
        assert set(Finding.objects.values_list("state", "acted_by")) == {(State.OPEN, "admin")}


class TestAfterOneInventory:
    @pytest.fixture
    def once(self, originals, store, take) -> Image:
        """A row without object, an object without row and a rendition without original, each seen once."""
        image = store(name="gone.jpg")
        Image.objects.filter(pk=image.pk).update(created_at=timezone.now() - timedelta(days=1))
        s3.delete_object(originals.name, image.key)
        put(originals, "new.jpg", jpeg())
        put(originals.renditions_bucket, "orphan.jpg", jpeg())
        take(originals, originals.renditions_bucket, times=1)
        return image

    @pytest.mark.parametrize("marks", [[], ["dismiss"], ["dismiss", "reopen"]])
    def test_nothing_is_touched_whatever_was_dismissed(self, once, act, admin_client, work, marks):
        for mark in marks:
            choose(admin_client, mark)
        admin_client.post(page(once.bucket, "reconcile"))
        work()
        for finding in Finding.objects.all():
            shown = admin_client.get(f"{LIST}{finding.pk}/change/").content.decode()
            assert not any(f'value="{action}"' in shown for action in ("delete", "quarantine", "recreate"))

        for action in ("delete", "quarantine", "recreate"):
            assert act(action) is None
            assert "waits for the next" in messages_of(admin_client.get(LIST))[-1]
        assert not Job.objects.filter(kind__in=["delete_findings", "resolve_findings"]).exists()
        once.refresh_from_db()
        assert once.missing_since is None
        assert keys(once.bucket) == {"new.jpg"}
        state = State.DISMISSED if marks == ["dismiss"] else State.ONCE
        assert set(Finding.objects.values_list("state", "times_seen")) == {(state, 1)}

    def test_what_was_reopened_is_open_after_the_second(self, once, act, admin_client, take):
        for mark in ("dismiss", "reopen"):
            choose(admin_client, mark)
        take(once.bucket, times=1)

        once.refresh_from_db()
        assert once.missing_since
        act("delete")
        assert not Image.objects.filter(pk=once.pk).exists()

    def test_an_object_may_be_adopted(self, once, act):
        assert act("adopt").state == "done"
        assert Image.objects.filter(key="new.jpg").exists()
