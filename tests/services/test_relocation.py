"""Moving a catalogued image: its row stays, its renditions follow, nothing of others is touched."""

import pytest

from media_catalog.aws import listing, s3
from media_catalog.aws import objects as s3_objects
from media_catalog.exceptions import AwsConflict, AwsUnavailable, ObjectRefused, QuotaRefused
from media_catalog.models import Bucket, Image, Leftover, RequestCounter, RequestLimit, Upload
from media_catalog.quota import meter
from media_catalog.quota.estimate import estimate
from media_catalog.services import relocation, removal, renditions
from media_catalog.services.selection import candidates

from .cutting import Cut, cut_after
from .objects import no_more, put_by_hand


@pytest.fixture
def image(store):
    image = store()
    renditions.make(image=image)
    return image


def _keys(bucket: Bucket) -> set[str]:
    return {entry.key for entry in listing.list_page(bucket.name).objects}


def test_row_renditions_and_objects_move_together(image, originals, cloud):
    made = dict(image.renditions.values_list("preset", "pk"))
    said = estimate("move_image", candidates([image.pk]), {}).requests
    mark = cloud.access_log.mark()

    with meter.tally() as spent:
        moved = relocation.relocate(image=image, to_bucket=originals, to_key="album/new name.jpg")

    assert (moved.renditions, moved.dropped) == (6, 0)
    assert spent == said == {"s3_tier1": 7, "s3_tier2": 1, "free": 7}
    assert cloud.access_log.operations(mark) == {"HeadObject": 1, "CopyObject": 7, "DeleteObject": 7}
    image.refresh_from_db()
    assert image.key == "album/new name.jpg"
    assert _keys(originals) == {image.key}
    assert dict(image.renditions.values_list("preset", "pk")) == made
    assert _keys(originals.renditions_bucket) == set(image.renditions.values_list("key", flat=True))
    assert image.renditions.get(preset__slug="thumbnail").key == image.key
    assert all("album/new name.jpg" in key for key in _keys(originals.renditions_bucket))
    assert renditions.make(image=image) == 0
    assert not Leftover.objects.exists()


def test_the_old_name_can_be_used_again_at_once(image, originals, store):
    old = image.key
    relocation.relocate(image=image, to_bucket=originals, to_key="moved.jpg")

    again = store(name=old)
    renditions.make(image=again)

    assert again.key == old
    removal.remove(image=again)
    assert _keys(originals.renditions_bucket) == set(image.renditions.values_list("key", flat=True))


def test_a_taken_key_is_refused_with_nothing_changed(image, originals):
    put_by_hand(originals, "theirs.jpg", b"theirs")
    before = _keys(originals.renditions_bucket)

    with pytest.raises(AwsConflict):
        relocation.relocate(image=image, to_bucket=originals, to_key="theirs.jpg")

    assert s3.get_object(originals.name, "theirs.jpg").body == b"theirs"
    assert Image.objects.get().key == image.key
    assert _keys(originals.renditions_bucket) == before


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda image: Upload.objects.create(bucket=image.bucket, key="new.jpg", name="new.jpg"), "being_uploaded"),
        (lambda image: Bucket.objects.filter(pk=image.bucket_id).update(renditions_bucket=None), "not_for_images"),
    ],
)
def test_what_is_in_the_way_is_said_before_any_request(image, originals, cloud, prepare, reason):
    prepare(image)
    mark = cloud.access_log.mark()

    with pytest.raises(ObjectRefused) as refused:
        relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")

    assert refused.value.reason == reason
    assert not cloud.access_log.since(mark)


def test_one_who_moves_it_meanwhile_wins(image, originals, monkeypatch):
    copy = s3_objects.copy_object

    def copy_slowly(*args, **kwargs):
        etag = copy(*args, **kwargs)
        Image.objects.update(key="elsewhere.jpg")
        return etag

    monkeypatch.setattr(s3_objects, "copy_object", copy_slowly)
    with pytest.raises(ObjectRefused, match="moved"):
        relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")

    assert _keys(originals) == {image.key}
    assert Image.objects.get().key == "elsewhere.jpg"


def test_an_image_that_takes_the_place_meanwhile_keeps_its_object(image, originals, store, monkeypatch):
    copy = s3_objects.copy_object

    def copy_slowly(*args, **kwargs):
        etag = copy(*args, **kwargs)
        Image.objects.filter(pk=store(name="other.jpg").pk).update(key="new.jpg")
        return etag

    monkeypatch.setattr(s3_objects, "copy_object", copy_slowly)
    with pytest.raises(AwsConflict):
        relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")

    assert {image.key, "new.jpg"} <= _keys(originals)
    assert Image.objects.get(pk=image.pk).key == image.key


def test_another_object_than_the_catalogue_knows_stays(image, originals):
    s3.put_object(originals.name, image.key, b"theirs", content_type="image/jpeg", overwrite=True)

    with pytest.raises(ObjectRefused, match="changed"):
        relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")

    assert Image.objects.get().key == image.key
    assert _keys(originals) == {image.key}


def test_renditions_that_are_gone_count_as_not_made(image, originals):
    for rendition in image.renditions.all()[:2]:
        s3.delete_object(rendition.bucket.name, rendition.key)

    moved = relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")

    assert (moved.renditions, moved.dropped) == (4, 2)
    assert _keys(originals.renditions_bucket) == set(image.renditions.values_list("key", flat=True))
    assert image.renditions.count() == 4


def test_at_a_limit_it_stops_and_a_repeat_goes_on(image, originals):
    no_more("s3_tier1", but=3)
    with pytest.raises(QuotaRefused):
        relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")
    RequestLimit.objects.update(limit=1_000_000)

    moved = relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg", begun=True)

    assert (moved.renditions, moved.dropped) == (6, 0)
    _is_whole(image, originals)


@pytest.mark.parametrize("answered", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4, 7, 13, 14])
def test_a_repeat_ends_what_was_cut_off(image, originals, monkeypatch, calls, answered):
    begun: list[bool] = []
    copy = s3_objects.copy_object

    def as_s3_does(*args, to_bucket, to_key, replace=False, **kwargs):
        if not replace and s3.get_object(to_bucket, to_key):
            raise AwsConflict(to_key)
        return copy(*args, to_bucket=to_bucket, to_key=to_key, **kwargs)

    monkeypatch.setattr(s3_objects, "copy_object", as_s3_does)

    def attempt() -> None:
        loaded = Image.objects.select_related("bucket__renditions_bucket").get(pk=image.pk)
        relocation.relocate(
            image=loaded, to_bucket=originals, to_key="new.jpg", begun=bool(begun), begin=lambda: begun.append(True)
        )

    with monkeypatch.context() as patch:
        cut_after(patch, calls, answered=answered)
        with pytest.raises(Cut):
            attempt()
    attempt()

    Leftover.objects.update(next_try_at="2026-01-01T00:00:00Z")
    removal.sweep()
    _is_whole(image, originals)


def _is_whole(image: Image, originals: Bucket) -> None:
    """Moved with all that it has, and nothing else is there."""
    image.refresh_from_db()
    assert _keys(originals) == {"new.jpg"} == {image.key}
    assert image.renditions.count() == 6
    assert _keys(originals.renditions_bucket) == set(image.renditions.values_list("key", flat=True))
    assert renditions.make(image=image) == 0


def test_the_limit_refuses_it_with_nothing_changed(image, originals):
    no_more("s3_tier1")
    used = RequestCounter.objects.get(period="month", request_class="s3_tier1").used

    with pytest.raises(QuotaRefused):
        relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")

    assert Image.objects.get().key == image.key
    assert RequestCounter.objects.get(period="month", request_class="s3_tier1").used == used


def test_an_old_object_that_cannot_be_deleted_now_is_swept_later(image, originals, monkeypatch):
    old = image.key
    delete = s3.delete_object

    def failing(bucket, key):
        raise AwsUnavailable("down")

    monkeypatch.setattr(s3, "delete_object", failing)
    relocation.relocate(image=image, to_bucket=originals, to_key="new.jpg")
    assert Leftover.objects.filter(key=old, bucket=originals).exists()
    monkeypatch.setattr(s3, "delete_object", delete)

    Leftover.objects.update(next_try_at="2026-01-01T00:00:00Z")
    removal.sweep()

    assert _keys(originals) == {"new.jpg"}
    assert not Leftover.objects.exists()


def test_a_leftover_whose_key_is_an_image_again_is_no_longer_one(image, originals):
    leftover = Leftover.objects.create(bucket=originals, key=image.key)
    Upload.objects.create(bucket=originals, key="coming.jpg", name="coming.jpg")
    coming = Leftover.objects.create(bucket=originals, key="coming.jpg")

    assert removal.discard(leftover=leftover)
    assert not removal.discard(leftover=coming)
    assert _keys(originals) == {image.key}


def test_an_image_can_move_to_another_pair_of_buckets(image, originals, cloud):
    names = [f"{originals.name}-b", f"{originals.name}-b-resized"]
    for name in names:
        s3.create_bucket(name, region="us-east-1")
    place = Bucket.objects.create(name=names[1], role="renditions")
    other = Bucket.objects.create(name=names[0], role="originals", renditions_bucket=place)

    relocation.relocate(image=image, to_bucket=other, to_key=image.key)

    assert _keys(originals) == _keys(originals.renditions_bucket) == set()
    assert _keys(other) == {image.key}
    assert len(_keys(place)) == 6


LONGEST = "album/" + "ü" * 509  # 1,024 bytes


def test_the_longest_key_that_s3_takes_has_its_renditions(image, originals, cloud):
    said = estimate("move_image", candidates([image.pk]), {}).requests

    with meter.tally() as spent:
        moved = relocation.relocate(image=image, to_bucket=originals, to_key=LONGEST)

    assert (moved.renditions, moved.dropped) == (6, 0)
    assert spent == said
    held = set(image.renditions.values_list("key", flat=True))
    assert all(len(key.encode()) <= 1024 for key in held)
    assert _keys(originals.renditions_bucket) == held
    assert renditions.make(image=image) == 0

    relocation.relocate(image=image, to_bucket=originals, to_key="short.jpg")
    assert {key.count("short.jpg") for key in image.renditions.values_list("key", flat=True)} == {1}
    assert _keys(originals.renditions_bucket) == set(image.renditions.values_list("key", flat=True))
