"""Renditions: what is made, where it goes, and what a second or a broken run does."""

import io
from collections import Counter

import pytest
from PIL import Image as Picture

from media_catalog.aws import s3
from media_catalog.exceptions import AwsNotFound, AwsUnavailable, ImageRefused
from media_catalog.models import Image, Preset, Rendition
from media_catalog.services import previews, removal, renditions
from tests.pictures import encoded, jpeg, picture


def test_six_renditions_cost_one_get_and_six_puts(store, cloud):
    image = store(jpeg(2000, 1500))
    mark = cloud.access_log.mark()

    assert renditions.make(image=image) == 6

    assert cloud.access_log.operations(mark) == Counter(GetObject=1, PutObject=6)


def test_sizes_keys_and_types(store, originals):
    image = store(jpeg(2000, 1500))
    renditions.make(image=image)

    made = {rendition.preset.slug: rendition for rendition in image.renditions.select_related("preset")}
    sizes = {slug: (rendition.width, rendition.height) for slug, rendition in made.items()}
    assert sizes == {
        "thumbnail": (200, 150),
        "very-high": (1024, 1024),
        "high": (1024, 786),
        "medium": (786, 786),
        "low": (124, 124),
        "preview": (1280, 960),
    }
    assert made["thumbnail"].key == image.key
    assert made["high"].key == f"high/{image.key}.{image.etag[:12]}-v1.jpg"
    for rendition in made.values():
        held = s3.get_object(f"{originals.name}-resized", rendition.key)
        assert held is not None
        assert held.content_type == "image/jpeg"
        assert Picture.open(io.BytesIO(held.body)).size == (rendition.width, rendition.height)


def test_a_second_run_makes_no_request(store, cloud):
    image = store()
    renditions.make(image=image)
    mark = cloud.access_log.mark()

    assert renditions.make(image=image) == 0
    assert not cloud.access_log.operations(mark)


def test_only_what_is_missing_is_made(store, cloud):
    image = store()
    renditions.make(image=image)
    image.renditions.filter(preset__slug__in=["low", "high"]).delete()

    assert renditions.missing_counts([image.pk]) == [2]
    assert renditions.make(image=image) == 2


def test_a_changed_preset_makes_its_rendition_anew_and_removes_the_old_object(store, originals):
    image = store()
    renditions.make(image=image)
    old = image.renditions.get(preset__slug="low").key
    Preset.objects.filter(slug="low").update(width=60, version=2)

    assert renditions.make(image=image) == 1

    new = image.renditions.get(preset__slug="low")
    assert (new.width, new.preset_version) == (60, 2)
    assert s3.head_object(f"{originals.name}-resized", old) is None
    assert s3.head_object(f"{originals.name}-resized", new.key) is not None


def test_inactive_presets_are_left_out(store):
    Preset.objects.exclude(slug="thumbnail").update(active=False)
    image = store()

    assert renditions.missing_counts([image.pk]) == [1]
    assert renditions.make(image=image) == 1


def test_a_run_cut_off_between_object_and_row_is_completed(store, monkeypatch, cloud):
    """The next run meets the objects of the first: immutable keys are not written twice."""
    image = store()
    save = renditions._save

    def killed(*args, **kwargs):
        raise SystemExit

    monkeypatch.setattr(renditions, "_save", killed)
    with pytest.raises(SystemExit):
        renditions.make(image=image)
    monkeypatch.setattr(renditions, "_save", save)
    mark = cloud.access_log.mark()

    assert renditions.make(image=image) == 6

    written = [entry for entry in cloud.access_log.since(mark) if entry.operation == "PutObject"]
    refused = [entry for entry in written if entry.status == 412]
    assert len(written) == 6
    assert len(refused) <= 1
    assert image.renditions.count() == 6


def test_an_image_removed_meanwhile_leaves_no_orphan(store, originals, monkeypatch):
    image = store()
    put = s3.put_object
    removed = []

    def put_then_removed(*args, **kwargs):
        etag = put(*args, **kwargs)
        if not removed:
            removed.append(True)
            removal.remove(image=Image.objects.get(pk=image.pk))
        return etag

    monkeypatch.setattr(s3, "put_object", put_then_removed)
    with pytest.raises(AwsNotFound):
        renditions.make(image=image)

    assert not Image.objects.exists()
    assert not Rendition.objects.exists()
    assert s3.head_object(f"{originals.name}-resized", image.key) is None


def test_an_object_gone_or_damaged_at_s3_is_said(store, originals):
    image = store()
    s3.delete_object(originals.name, image.key)
    with pytest.raises(AwsNotFound):
        renditions.make(image=image)

    s3.put_object(originals.name, image.key, b"not an image", content_type="image/jpeg")
    with pytest.raises(ImageRefused):
        renditions.make(image=image)
    assert not Rendition.objects.exists()


def test_transparency_stays_in_png(store, originals):
    image = store(encoded(picture(400, 300, "RGBA"), "PNG"), name="logo.png")
    renditions.make(image=image)

    thumbnail = image.renditions.get(preset__slug="thumbnail")
    assert thumbnail.content_type == "image/png"


class TestPreviews:
    def test_what_was_just_made_is_shown_without_a_request(self, store, cloud):
        image = store()
        renditions.make(image=image)
        mark = cloud.access_log.mark()

        assert previews.fetch(image.renditions.get(preset__slug="preview"))
        assert previews.fetch(image.renditions.get(preset__slug="thumbnail"))
        assert not cloud.access_log.operations(mark)

    def test_others_cost_one_get_once(self, store, cloud):
        image = store()
        renditions.make(image=image)
        high = image.renditions.select_related("bucket").get(preset__slug="high")
        mark = cloud.access_log.mark()

        assert previews.fetch(high) == previews.fetch(high)
        assert cloud.access_log.operations(mark) == Counter(GetObject=1)

    def test_a_gone_object_is_none(self, store, originals):
        image = store()
        renditions.make(image=image)
        high = image.renditions.select_related("bucket").get(preset__slug="high")
        s3.delete_object(high.bucket.name, high.key)

        assert previews.fetch(high) is None

    def test_s3_away_is_raised(self, store, monkeypatch):
        image = store()
        renditions.make(image=image)
        high = image.renditions.select_related("bucket").get(preset__slug="high")

        def away(*args):
            raise AwsUnavailable("no answer")

        monkeypatch.setattr(s3, "get_object", away)
        with pytest.raises(AwsUnavailable):
            previews.fetch(high)
