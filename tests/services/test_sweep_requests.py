"""Requests of a sweep: full ones, whatever renditions images have, and nothing lost when a run is cut off."""

import pytest

from media_catalog.models import Bucket, Image, Preset, Rendition
from media_catalog.services import batches, retention, sweeping
from tests.admin.buckets import keys_of, put
from tests.reconciling import images


@pytest.fixture
def uneven(originals, monkeypatch) -> list[Image]:
    """Images with none to three renditions, two keys a request: three for the renditions, two for the images.

    The rule of their bucket removes them all.
    """
    monkeypatch.setattr(batches, "BATCH", 2)
    made = images(originals, [f"{number}.jpg" for number in range(4)])
    presets = list(Preset.objects.order_by("pk")[:3])
    facts = {"size": 1, "etag": "e", "width": 1, "height": 1, "source_etag": "e", "preset_version": 1}
    place = originals.renditions_bucket
    Rendition.objects.bulk_create(
        Rendition(image=image, preset=preset, bucket=place, key=f"{preset.slug}/{image.key}", **facts)
        for number, image in enumerate(made)
        for preset in presets[:number]
    )
    for row in (*made, *Rendition.objects.select_related("bucket")):
        put(row.bucket, row.key)
    Bucket.objects.filter(pk=originals.pk).update(expire_after=60, retention_on=True)
    originals.refresh_from_db()
    return made


def _nothing_is_left(bucket: Bucket) -> bool:
    rows = Image.objects.exists() or Rendition.objects.exists()
    return not (rows or keys_of(bucket) or keys_of(bucket.renditions_bucket))


@pytest.mark.parametrize("seconds", [20, 0], ids=["one turn", "a turn for each request"])
def test_they_are_full_whatever_images_they_are_of(originals, uneven, cloud, monkeypatch, seconds):
    monkeypatch.setattr(sweeping, "TURN_SECONDS", seconds)
    estimate = retention.cost(originals)
    mark = cloud.access_log.mark()

    turns = 1
    while not (swept := sweeping.sweep(originals, run="one")).done:
        originals.refresh_from_db()
        turns += 1

    assert (swept.removed, swept.failed) == (4, 0)
    assert turns == (1 if seconds else 6)
    assert cloud.access_log.operations(mark) == {"DeleteObjects": 5}
    assert estimate == {"s3_tier1": 5}
    assert _nothing_is_left(originals)


@pytest.mark.parametrize("cut", range(5))
def test_a_run_that_is_killed_after_any_of_them_leaves_no_object_without_a_row(originals, uneven, monkeypatch, cut):
    delete_keys, left = batches._delete_keys, cut

    def dying(*args):
        nonlocal left
        delete_keys(*args)
        left -= 1
        if left < 0:
            raise SystemExit
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(batches, "_delete_keys", dying)
        with pytest.raises(SystemExit):
            sweeping.sweep(originals, run="one")
    assert set(keys_of(originals)) <= set(Image.objects.values_list("key", flat=True))
    assert set(keys_of(originals.renditions_bucket)) <= set(Rendition.objects.values_list("key", flat=True))
    assert Image.objects.exists()
    originals.refresh_from_db()

    assert sweeping.sweep(originals, run="one").done

    assert _nothing_is_left(originals)


def test_an_image_that_waits_for_others_and_is_exempted_meanwhile_stays_whole(originals, uneven, monkeypatch):
    kept = uneven[1]
    delete = batches.delete_renditions

    def delete_and_exempt(ids):
        Image.objects.filter(pk=kept.pk).update(exempt=True)
        return delete(ids)

    Rendition.objects.filter(image=uneven[2]).delete()
    Rendition.objects.filter(image=kept).update(bucket=originals)  # alone there, so it waits
    monkeypatch.setattr(batches, "delete_renditions", delete_and_exempt)
    sweeping.sweep(originals, run="one")

    assert list(Image.objects.all()) == [kept]
    assert kept.renditions.count() == 1
    assert kept.key in keys_of(originals)
