"""What is found: exactly the discrepancies that are there, once two inventories have seen them."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsUnavailable
from media_catalog.models import Bucket, Finding, Image, Leftover, Rendition, RequestLimit, StoredFile, Upload
from media_catalog.services import inventory, keys, reconcile
from tests.listing import list_server
from tests.reconciling import images, listed, thumbnails, uploads

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Kind, State = Finding.Kind, Finding.State
MANY = 1000
FINE = [f"fine/{number}.jpg" for number in range(200)]


@pytest.fixture
def pair():
    renditions = Bucket.objects.create(name="reconciled-resized", role=Bucket.Role.RENDITIONS)
    originals = Bucket.objects.create(name="reconciled", role=Bucket.Role.ORIGINALS, renditions_bucket=renditions)
    return originals, renditions


def look(bucket: Bucket, keys: list[str], times: int = 2) -> None:
    for _time in range(times):
        listed(bucket, keys)
        turn = reconcile.reconcile(bucket, run="look")
        assert turn
        assert turn.done


def found(bucket: Bucket, kind: Kind, state: State = State.OPEN) -> set[str]:
    return set(Finding.objects.filter(bucket=bucket, kind=kind, state=state).values_list("key", flat=True))


def named(name: str, count: int = MANY) -> list[str]:
    return [f"{name}/{number}.jpg" for number in range(count)]


@pytest.fixture
def take(settings):
    """`take(bucket, keys, pages=None)`: an inventory of what S3 lists, which breaks off after so many pages; then a
    look at what does not agree.
    """
    RequestLimit.objects.update(limit=1_000_000)
    with list_server() as server:
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()

        def _take(bucket: Bucket, keys: list[str], pages: int | None = None) -> None:
            server.keys, server.pages = keys, None if pages is None else len(server.lists) + pages
            try:
                inventory.sync(bucket, run=uuid4().hex)
            finally:
                reconcile.reconcile(bucket, run="look")

        yield _take
        forget_clients()


def test_a_thousand_of_each_kind_are_found_and_nothing_else(pair, take):
    originals, renditions = pair
    known = images(originals, FINE)
    thumbnails(known, renditions)
    images(originals, named("row"))
    lost = thumbnails(images(originals, named("unmade")), renditions)
    uploads(originals, named("stale"))
    for _time in range(2):
        take(originals, [*FINE, *named("unmade"), *named("object")])
        take(renditions, [*FINE, *named("orphan")])

    assert found(originals, Kind.ROW_WITHOUT_OBJECT) == set(named("row"))
    assert found(renditions, Kind.ROW_WITHOUT_OBJECT) == {rendition.key for rendition in lost}
    assert found(originals, Kind.OBJECT_WITHOUT_ROW) == set(named("object"))
    assert found(renditions, Kind.RENDITION_WITHOUT_ORIGINAL) == set(named("orphan"))
    assert found(originals, Kind.STALE_UPLOAD) == set(named("stale"))
    assert Finding.objects.count() == 5 * MANY
    assert set(Image.objects.filter(missing_since__isnull=False).values_list("key", flat=True)) == set(named("row"))


def test_with_s3_cut_off_in_the_middle_nothing_is_found_falsely(pair, take):
    """After a complete inventory, two that break off: of the second thousand nothing has been seen again."""
    originals, _renditions = pair
    keys = named("there", 2 * MANY)
    images(originals, keys)
    take(originals, keys)
    for _time in range(2):
        with pytest.raises(AwsUnavailable):
            take(originals, [*keys[:MANY], *named("object"), *keys[MANY:]], pages=1)

    assert not Finding.objects.exists()
    assert not Image.objects.exclude(missing_since=None).exists()
    assert not originals.inventory.exclude(missing_since=None).exists()
    take(originals, [*keys, *named("object")])
    assert found(originals, Kind.OBJECT_WITHOUT_ROW, State.ONCE) == set(named("object"))
    assert Finding.objects.count() == MANY


class TestOnce:
    def test_seen_once_is_not_open_and_marks_nothing(self, pair):
        originals, _renditions = pair
        images(originals, ["gone.jpg"])
        look(originals, ["new.jpg"], times=1)

        assert found(originals, Kind.ROW_WITHOUT_OBJECT, State.ONCE) == {"gone.jpg"}
        assert found(originals, Kind.OBJECT_WITHOUT_ROW, State.ONCE) == {"new.jpg"}
        assert not Image.objects.exclude(missing_since=None).exists()

    def test_another_look_at_the_same_inventory_does_not_count(self, pair):
        originals, _renditions = pair
        images(originals, ["gone.jpg"])
        look(originals, [], times=1)
        reconcile.reconcile(originals, run="look")

        assert Finding.objects.get().times_seen == 1
        assert Finding.objects.get().state == State.ONCE

    def test_seen_again_in_between_it_counts_from_the_start(self, pair):
        originals, _renditions = pair
        images(originals, ["a.jpg"])
        look(originals, [], times=1)
        look(originals, ["a.jpg"], times=1)
        look(originals, [], times=1)

        assert sorted(Finding.objects.values_list("state", "times_seen")) == [("gone", 1), ("once", 1)]
        assert not Image.objects.exclude(missing_since=None).exists()

    def test_rows_younger_than_the_inventory_are_left_alone(self, pair):
        originals, _renditions = pair
        listed(originals, [])
        images(originals, ["just-uploaded.jpg"], created_at=timezone.now())
        reconcile.reconcile(originals, run="look")

        assert not Finding.objects.exists()


def test_what_is_in_order_again_is_gone_by_itself(pair):
    originals, renditions = pair
    images(originals, ["gone.jpg"])
    stale = uploads(originals, ["stale.jpg"])
    look(originals, ["new.jpg"])
    look(renditions, ["orphan.jpg"])
    assert Finding.objects.filter(state=State.OPEN).count() == 4
    assert Image.objects.get(key="gone.jpg").missing_since

    images(originals, ["new.jpg"])
    images(originals, ["orphan.jpg"], created_at=timezone.now() + timedelta(hours=1))
    Upload.objects.filter(pk=stale[0].pk).update(status="failed")
    look(originals, ["gone.jpg", "new.jpg"], times=1)
    look(renditions, ["orphan.jpg"], times=1)

    assert set(Finding.objects.values_list("state", flat=True)) == {State.GONE}
    assert Image.objects.get(key="gone.jpg").missing_since is None


def test_a_file_is_marked_as_missing_and_no_more_when_it_is_seen_again(pair):
    originals, _renditions = pair
    facts = {"bucket": originals, "size": 1, "etag": "e", "created_at": timezone.now() - timedelta(days=1)}
    for name in ("gone.txt", "there.txt"):
        StoredFile.objects.create(key=name, name=name, description="What it is", **facts)
    look(originals, ["there.txt"])
    assert list(StoredFile.objects.exclude(missing_since=None).values_list("key", flat=True)) == ["gone.txt"]

    look(originals, ["gone.txt", "there.txt"], times=1)
    assert not StoredFile.objects.exclude(missing_since=None).exists()


def test_what_was_deleted_since_the_inventory_stays_missing(pair):
    originals, _renditions = pair
    images(originals, ["a.jpg"])
    look(originals, ["a.jpg"], times=1)
    Image.objects.update(missing_since=timezone.now())
    reconcile.reconcile(originals, run="look")
    assert Image.objects.get().missing_since

    look(originals, ["a.jpg"], times=1)
    assert Image.objects.get().missing_since is None


def test_dismissed_findings_stay_dismissed(pair):
    originals, _renditions = pair
    look(originals, ["new.jpg"])
    Finding.objects.update(state=State.DISMISSED)
    look(originals, ["new.jpg"])

    assert Finding.objects.get().state == State.DISMISSED
    assert Finding.objects.get().times_seen == 4


class TestNoDiscrepancy:
    def test_in_a_bucket_for_originals(self, pair, settings):
        originals, _renditions = pair
        settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH = "incoming/"
        uploads(originals, ["uploading.jpg"], created_at=timezone.now())
        uploads(originals, ["waiting.jpg"], expires_at=timezone.now() + timedelta(hours=1))
        Leftover.objects.create(bucket=originals, key="leftover.jpg")
        keys = ["uploading.jpg", "waiting.jpg", "leftover.jpg", "folder/"]
        keys += ["temp/a", "trash/a", "quarantine/a", "incoming/a"]
        listed(originals, keys)
        originals.inventory.filter(key="folder/").update(size=0)
        reconcile.reconcile(originals, run="look")

        assert not Finding.objects.exists()

    def test_a_folder_of_another_case_is_not_reserved(self, pair):
        originals, _renditions = pair
        look(originals, ["Trash/a", "trash/b"])
        assert found(originals, Kind.OBJECT_WITHOUT_ROW) == {"Trash/a"}

    def test_in_a_bucket_for_renditions(self, pair):
        originals, renditions = pair
        long, hidden = "ü" * 510, f"low/a/b.jpg.{'f' * 12}-v3.jpg"
        image, _hidden, _long = images(originals, ["a/b.jpg", hidden, long], name="b.jpg")
        [upload] = uploads(originals, ["temp/x"], status="completed")
        Leftover.objects.create(bucket=renditions, key="leftover.jpg")
        of_long = partial(keys.rendition_key, version=3, key=long, extension="jpg")
        being_made = ["a/b.jpg", f"low/a/b.jpg.{image.etag[:12]}-v3.jpg"]
        of_upload = f"image/{upload.uuid.hex}_thumb.jpg"
        being_made += [of_long(preset="low", etag=image.etag), long]
        superfluous = ["low/a/b.jpg.0123456789ab-v3.jpg", f"image/{uuid4().hex}_thumb.jpg", "low/other.jpg"]
        superfluous += [of_long(preset="low", etag="f" * 32), hidden]
        look(renditions, [*being_made, of_upload, "leftover.jpg", *superfluous])

        assert found(renditions, Kind.RENDITION_WITHOUT_ORIGINAL) == set(superfluous)
        assert Finding.objects.count() == len(superfluous)

    @pytest.mark.parametrize("role", [Bucket.Role.GENERAL, Bucket.Role.STATIC])
    def test_in_a_bucket_that_the_catalogue_does_not_keep(self, role):
        bucket = Bucket.objects.create(name="others", role=role)
        look(bucket, ["a", "b"])
        assert not Finding.objects.exists()

    def test_without_an_inventory(self, pair):
        originals, _renditions = pair
        images(originals, ["a.jpg"])
        assert reconcile.reconcile(originals, run="look") is None
        assert not Finding.objects.exists()


class TestTurns:
    @pytest.fixture
    def turns(self, monkeypatch):
        """Of one batch each: `turns(bucket)` counts those of a run to its end."""
        monkeypatch.setattr(reconcile, "TURN_SECONDS", 0)
        monkeypatch.setattr(reconcile, "BATCH", 10)
        monkeypatch.setattr(reconcile, "WINDOW", 25)

        def _turns(bucket: Bucket) -> int:
            run = uuid4().hex
            for count in range(1, 30):
                turn = reconcile.reconcile(bucket, run=run)
                assert turn
                if turn.done:
                    return count
            raise AssertionError("it does not end")

        return _turns

    def test_objects_are_noted_and_looked_at_again(self, pair, turns):
        originals, _renditions = pair
        listed(originals, named("object", 35))
        assert turns(originals) == 4 + 4 + 1

        assert Finding.objects.filter(kind=Kind.OBJECT_WITHOUT_ROW, times_seen=1).count() == 35
        assert originals.scans.get().compared == {}

    def test_what_is_in_order_is_passed_once(self, pair, turns):
        originals, _renditions = pair
        images(originals, named("fine", 35))
        listed(originals, named("fine", 35))
        assert turns(originals) == 4 + 4 + 1
        assert not Finding.objects.exists()

    def test_what_is_over_is_closed_in_turns_too(self, pair, turns):
        originals, _renditions = pair
        images(originals, named("gone", 35))
        for _time in range(2):
            listed(originals, named("object", 35))
            turns(originals)
        assert Image.objects.exclude(missing_since=None).count() == 35
        listed(originals, named("gone", 35))
        assert turns(originals) == 4 + 4 + 4 + 4 + 4 + 1

        assert Finding.objects.filter(state=State.GONE).count() == 70
        assert not Image.objects.exclude(missing_since=None).exists()

    def test_another_run_begins_at_the_start_and_disturbs_none(self, pair, turns):
        originals, _renditions = pair
        images(originals, named("gone", 35))
        listed(originals, [])
        for _time in range(3):
            reconcile.reconcile(originals, run="cancelled")
        images(originals, ["gone/35.jpg"])
        place = originals.scans.get().compared
        assert list(place) == ["cancelled"]
        turns(originals)

        assert Finding.objects.filter(times_seen=1).count() == 36
        assert originals.scans.get().compared == place


def test_two_rows_of_one_key_are_one_finding(pair):
    originals, renditions = pair
    first, second = images(originals, ["a.jpg", "b.jpg"])
    thumbnails([first, second], renditions)
    Rendition.objects.update(key="same.jpg")
    look(renditions, [])

    assert found(renditions, Kind.ROW_WITHOUT_OBJECT) == {"same.jpg"}


def test_the_evidence_is_that_of_the_last_look(pair):
    originals, _renditions = pair
    look(originals, ["new.jpg"], times=1)
    listed(originals, ["new.jpg"])
    originals.inventory.update(etag="changed")
    reconcile.reconcile(originals, run="look")

    assert Finding.objects.get().evidence["etag"] == "changed"
