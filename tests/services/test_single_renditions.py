"""One rendition at a time, and those made within the upload."""

import io
import threading
from collections import Counter

import pytest
from django.db import DatabaseError, connection, transaction
from PIL import Image as Picture

from media_catalog.aws import s3
from media_catalog.models import Preset, Rendition
from media_catalog.services import renditions
from tests.committing import committing
from tests.pictures import encoded, jpeg


@pytest.fixture
def image(store):
    made = store(jpeg(2000, 1500))
    renditions.make(image=made)
    return made


def test_made_within_the_upload_costs_one_put_and_no_get(store, cloud):
    body = jpeg(2000, 1500)
    image = store(body)
    mark = cloud.access_log.mark()

    renditions.make_in_request(image=image, file=io.BytesIO(body))

    assert cloud.access_log.operations(mark) == Counter(PutObject=1)
    main = Rendition.objects.get()
    assert (main.preset.slug, main.width, main.height) == ("high", 1024, 786)
    assert main in image.renditions.current()
    assert renditions.make(image=image) == 5


def test_regenerating_a_current_one_writes_its_object_anew(image, cloud):
    before = image.renditions.get(preset__slug="high")
    mark = cloud.access_log.mark()

    assert renditions.make_one(image=image, preset=before.preset) == 1

    assert cloud.access_log.operations(mark) == Counter(GetObject=1, PutObject=1)
    after = image.renditions.get(preset__slug="high")
    assert after.key == before.key
    assert after.created_at > before.created_at


def test_regenerating_a_stale_one_removes_the_old_object(image, cloud):
    before = image.renditions.get(preset__slug="high")
    Preset.objects.filter(slug="high").update(version=2, quality=60)
    mark = cloud.access_log.mark()

    renditions.make_one(image=image, preset=Preset.objects.get(slug="high"))

    assert cloud.access_log.operations(mark) == Counter(GetObject=1, PutObject=1, DeleteObject=1)
    assert s3.head_object(before.bucket.name, before.key) is None
    assert not image.renditions.stale().exists()


def test_deleting_takes_object_and_row(image, cloud):
    low = image.renditions.get(preset__slug="low")
    mark = cloud.access_log.mark()

    renditions.delete_one(rendition=low)

    assert cloud.access_log.operations(mark) == Counter(DeleteObject=1)
    assert s3.head_object(low.bucket.name, low.key) is None
    assert image.renditions.count() == 5


def test_stale_are_those_of_active_presets_only(image):
    Preset.objects.filter(slug__in=["low", "medium"]).update(version=2)
    Preset.objects.filter(slug="medium").update(active=False)

    assert [rendition.preset.slug for rendition in image.renditions.stale()] == ["low"]


def test_background_and_blur_reach_the_pixels(store):
    Preset.objects.exclude(slug="low").update(active=False)
    Preset.objects.filter(slug="low").update(format="JPEG", background="#ff0000", blur=0)
    image = store(_transparent())

    renditions.make(image=image)

    low = image.renditions.get()
    content = s3.get_object(low.bucket.name, low.key)
    assert content is not None
    red, green, blue = _middle(content.body)
    assert red > 240
    assert max(green, blue) < 20


def _transparent() -> bytes:
    return encoded(Picture.new("RGBA", (200, 200), (0, 0, 0, 0)), "PNG")


def _middle(body: bytes) -> tuple[int, int, int]:
    picture = Picture.open(io.BytesIO(body)).convert("RGB")
    return picture.getpixel((picture.width // 2, picture.height // 2))


@pytest.mark.database
@committing
def test_the_same_one_made_by_two_at_a_time_is_there_once(store, monkeypatch):
    """A worker has written the row, not committed; then somebody in the admin makes that one, and waits for it."""
    Preset.objects.exclude(slug="low").update(active=False)
    image = store()
    written, faults, insert = threading.Event(), [], renditions._insert

    def insert_slowly(*args):
        with transaction.atomic():
            row = insert(*args)
            written.set()
            another.join(0.5)
        return row

    def make_one():
        try:
            assert written.wait(10)
            renditions.make_one(image=image, preset=Preset.objects.get(slug="low"))
        except DatabaseError as fault:
            faults.append(fault)
        finally:
            connection.close()

    another = threading.Thread(target=make_one)
    monkeypatch.setattr(renditions, "_insert", insert_slowly)
    another.start()
    renditions.make(image=image)
    another.join()

    assert not faults
    assert image.renditions.current().count() == 1
    assert s3.head_object(image.bucket.renditions_bucket.name, Rendition.objects.get().key) is not None
