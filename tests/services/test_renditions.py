"""Renditions: what is made, where it goes, and what a second or a broken run does."""

import io
from collections import Counter

import pytest
from django.core.cache.backends.base import BaseCache
from PIL import Image as Picture

from media_catalog.aws import deadline, s3
from media_catalog.exceptions import AwsNotFound, AwsUnavailable, ImageRefused
from media_catalog.models import Bucket, Image, Leftover, Preset, Rendition
from media_catalog.services import previews, removal, renditions
from media_catalog.services.selection import candidates
from tests.committing import committing
from tests.pictures import encoded, jpeg, picture


def _killed(*args, **kwargs):
    raise SystemExit


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

    assert candidates([image.pk])[0].missing == 2
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

    assert candidates([image.pk])[0].missing == 1
    assert renditions.make(image=image) == 1


def test_a_run_cut_off_between_object_and_row_is_completed(store, monkeypatch, cloud):
    """The next run meets the objects of the first: immutable keys are not written twice."""
    image = store()
    insert = renditions._insert
    monkeypatch.setattr(renditions, "_insert", _killed)
    with pytest.raises(SystemExit):
        renditions.make(image=image)
    monkeypatch.setattr(renditions, "_insert", insert)
    mark = cloud.access_log.mark()

    assert renditions.make(image=image) == 6

    written = [entry for entry in cloud.access_log.since(mark) if entry.operation == "PutObject"]
    refused = [entry for entry in written if entry.status == 412]
    assert len(written) == 6
    assert len(refused) <= 1
    assert image.renditions.count() == 6


@committing
class TestAnImageRemovedMeanwhile:
    @pytest.fixture
    def at_put(self, monkeypatch):
        """`at_put(act)`: call `act` once, right after the next object was written."""

        def _at_put(act):
            put, todo = s3.put_object, [act]

            def put_then_act(*args, **kwargs):
                etag = put(*args, **kwargs)
                if todo:
                    todo.pop()()
                return etag

            monkeypatch.setattr(s3, "put_object", put_then_act)

        return _at_put

    def test_leaves_no_orphan(self, store, originals, at_put):
        image = store()
        at_put(lambda: removal.remove(image=Image.objects.get(pk=image.pk)))

        with pytest.raises(AwsNotFound):
            renditions.make(image=image)

        assert not any(model.objects.exists() for model in (Image, Rendition, Leftover))
        assert s3.head_object(f"{originals.name}-resized", image.key) is None

    def test_a_crash_before_the_delete_leaves_a_trace(self, store, originals, at_put, monkeypatch):
        Preset.objects.exclude(slug="low").update(active=False)
        image = store()
        at_put(lambda: removal.remove(image=Image.objects.get(pk=image.pk)))
        monkeypatch.setattr(removal, "discard", _killed)
        with pytest.raises(SystemExit):
            renditions.make(image=image)

        leftover = Leftover.objects.get()
        assert leftover.key.startswith("low/")
        assert s3.head_object(leftover.bucket.name, leftover.key) is not None

    def test_does_not_take_the_thumbnail_of_a_new_image_of_that_name(self, store, monkeypatch):
        """Our late write put the old pixels under its key, so the new image's thumbnail is due again."""
        Preset.objects.exclude(slug=Preset.THUMBNAIL).update(active=False)
        old = store(jpeg(640, 480))
        put, todo = s3.put_object, [True]

        def late_put(*args, **kwargs):
            if todo:
                todo.clear()
                removal.remove(image=Image.objects.get(pk=old.pk))
                renditions.make(image=store(jpeg(300, 300)))
            return put(*args, **kwargs)

        monkeypatch.setattr(s3, "put_object", late_put)
        with pytest.raises(AwsNotFound):
            renditions.make(image=old)

        new = Image.objects.get()
        assert (new.key, new.width) == (old.key, 300)
        assert not Leftover.objects.exists()
        assert renditions.make(image=new) == 1
        rendition = new.renditions.select_related("bucket").get()
        assert s3.head_object(rendition.bucket.name, rendition.key).etag == rendition.etag


class TestAReplacedObject:
    @pytest.fixture
    def changed(self, store):
        """An image whose rendition "low" is due again, under another key."""
        image = store()
        renditions.make(image=image)
        Preset.objects.filter(slug="low").update(width=60, version=2)
        return image

    def test_that_cannot_be_deleted_is_left_to_the_sweep(self, changed, monkeypatch, caplog):
        old = changed.renditions.get(preset__slug="low")

        def away(*args):
            raise AwsUnavailable("no answer")

        with monkeypatch.context() as patched:
            patched.setattr(s3, "delete_object", away)
            assert renditions.make(image=changed) == 1

        leftover = Leftover.objects.get()
        assert (leftover.bucket, leftover.key) == (old.bucket, old.key)
        assert old.key in caplog.text

    def test_is_known_after_a_crash(self, changed, monkeypatch):
        old = changed.renditions.get(preset__slug="low").key
        monkeypatch.setattr(s3, "delete_object", _killed)
        with pytest.raises(SystemExit):
            renditions.make(image=changed)

        assert Leftover.objects.get().key == old

    def test_goes_also_from_a_bucket_that_is_paired_no_longer(self, store, originals):
        image = store()
        renditions.make(image=image)
        thumbnail = image.renditions.get(preset__slug="thumbnail")
        other = Bucket.objects.create(name=f"{originals.name}-2", role=Bucket.Role.RENDITIONS, region="us-east-1")
        s3.create_bucket(other.name, region="us-east-1")
        Bucket.objects.filter(pk=originals.pk).update(renditions_bucket=other)
        Preset.objects.filter(slug="thumbnail").update(version=2)

        renditions.make(image=Image.objects.get())

        assert s3.head_object(other.name, image.key) is not None
        assert s3.head_object(thumbnail.bucket.name, image.key) is None


def test_an_object_gone_or_damaged_at_s3_is_said(store, originals):
    image = store()
    s3.delete_object(originals.name, image.key)
    with pytest.raises(AwsNotFound):
        renditions.make(image=image)

    s3.put_object(originals.name, image.key, b"not an image", content_type="image/jpeg")
    with pytest.raises(ImageRefused):
        renditions.make(image=image)
    assert not Rendition.objects.exists()


def test_an_object_that_grew_at_s3_is_not_read(store, originals, settings, monkeypatch):
    settings.IMAGE_MAX_BYTES = 100_000
    image = store(jpeg())
    monkeypatch.setattr(deadline, "read_all", lambda body: pytest.fail("it was read"))
    s3.put_object(originals.name, image.key, bytes(100_001), content_type="image/jpeg", overwrite=True)

    with pytest.raises(ImageRefused) as refused:
        renditions.make(image=image)

    assert refused.value.reason == "too_many_bytes"
    assert refused.value.facts == {"size": 100_001, "limit": 100_000}


def test_of_the_longest_key_that_s3_takes(originals, cloud):
    """Made, made anew and estimated as any other."""
    key = "ü" * 510 + ".jpg"
    etag = s3.put_object(originals.name, key, jpeg(), content_type="image/jpeg")
    image = Image.objects.create(bucket=originals, key=key, etag=etag, size=1, width=640, height=480, format="JPEG")
    mark = cloud.access_log.mark()

    assert renditions.make(image=image) == 6
    assert cloud.access_log.operations(mark) == Counter(GetObject=1, PutObject=6)

    made = image.renditions.select_related("bucket", "preset")
    assert all(s3.head_object(each.bucket.name, each.key).etag == each.etag for each in made)
    high = made.get(preset__slug="high")
    assert renditions.cost_of_one(high) == {"s3_tier2": 1, "s3_tier1": 1, "free": 0}
    mark = cloud.access_log.mark()
    renditions.make_one(image=image, preset=high.preset)
    assert cloud.access_log.operations(mark) == Counter(GetObject=1, PutObject=1)


class TestAPresetThatIsTooLarge:
    @pytest.fixture
    def _huge(self, db):
        """Saved when the limit was higher."""
        box = {"width": 10_000, "height": 10_000, "mode": "fill", "allow_upscale": True}
        Preset.objects.create(slug="huge", name="Huge", **box)

    @pytest.mark.usefixtures("_huge")
    def test_is_named_after_the_others_were_made(self, store, settings):
        image = store()

        with pytest.raises(ImageRefused) as refused:
            renditions.make(image=image)

        assert refused.value.facts == {
            "preset": "Huge",
            "width": 10_000,
            "height": 10_000,
            "limit": settings.IMAGE_MAX_PIXELS,
        }
        assert image.renditions.count() == 6

    @pytest.mark.usefixtures("_huge")
    def test_costs_no_request_when_nothing_else_is_due(self, store, cloud):
        image = store()
        with pytest.raises(ImageRefused):
            renditions.make(image=image)
        mark = cloud.access_log.mark()

        with pytest.raises(ImageRefused):
            renditions.make(image=image)
        assert not cloud.access_log.operations(mark)

    def test_depends_on_the_picture(self, store):
        """Without upscaling a large box makes nothing large out of a small picture."""
        Preset.objects.create(slug="wide", name="Wide", width=10_000, mode="fit")

        assert renditions.make(image=store()) == 7


def test_transparency_stays_in_png(store, originals):
    image = store(encoded(picture(400, 300, "RGBA"), "PNG"), name="logo.png")
    renditions.make(image=image)

    thumbnail = image.renditions.get(preset__slug="thumbnail")
    assert thumbnail.content_type == "image/png"


class AwayCache(BaseCache):
    """A cache whose server does not answer."""

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, *args, **kwargs):
        raise ConnectionError("no cache")

    set = delete = get


class TestWithTheCacheAway:
    @pytest.fixture(autouse=True)
    def _away(self, settings):
        settings.CACHES = {"default": {"BACKEND": f"{__name__}.AwayCache"}}

    def test_renditions_are_made(self, store, caplog):
        assert renditions.make(image=store()) == 6
        warnings = [record for record in caplog.records if record.name == previews.__name__]
        assert [record.levelname for record in warnings] == ["WARNING"] * 2

    def test_previews_cost_one_get_each(self, store, cloud):
        image = store()
        renditions.make(image=image)
        preview = image.renditions.select_related("bucket").get(preset__slug="preview")
        mark = cloud.access_log.mark()

        assert previews.fetch(preview)
        assert cloud.access_log.operations(mark) == Counter(GetObject=1)

    def test_images_are_removed(self, store):
        image = store()
        renditions.make(image=image)

        assert removal.remove(image=image) == 7


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

        def away(*args, **kwargs):
            raise AwsUnavailable("no answer")

        monkeypatch.setattr(s3, "get_object", away)
        with pytest.raises(AwsUnavailable):
            previews.fetch(high)
