"""Bytes that one process has read, for the job that needs them: taken as they were left, or not at all."""

import io
from collections import Counter

import pytest
from django.core.cache import caches

from media_catalog.models import Image, RequestClass
from media_catalog.quota import usage
from media_catalog.services import handover, renditions
from tests.pictures import jpeg

BODY = jpeg(2000, 1500)


@pytest.fixture
def image(store):
    return store(BODY)


def leave(image, body=BODY, **values):
    place = {"bucket": image.bucket_id, "key": image.key, "etag": image.etag, **values}
    return handover.offer(**place, file=io.BytesIO(body))


def gets(cloud, image):
    """The operations of making all renditions."""
    mark = cloud.access_log.mark()
    assert renditions.make(image=image) == 6
    return cloud.access_log.operations(mark)


def test_the_job_needs_no_get(image, cloud, monkeypatch):
    said = []
    monkeypatch.setattr(usage, "saved", lambda *facts: said.append(facts))
    assert leave(image)
    assert gets(cloud, image) == Counter(PutObject=6)
    assert said == [(RequestClass.S3_TIER2, "handed over")]
    assert handover.take(image) is None


def test_bytes_of_many_pieces_come_in_order(image, monkeypatch):
    monkeypatch.setattr(handover, "PIECE_BYTES", 1000)
    assert leave(image)
    assert handover.take(image) == BODY


class TestFromS3:
    """Where the bytes are not to be had, or are not those of the catalogue, one GET reads them."""

    def test_nothing_was_left(self, image, cloud):
        assert gets(cloud, image) == Counter(GetObject=1, PutObject=6)

    def test_a_piece_is_lost(self, image, cloud, monkeypatch):
        monkeypatch.setattr(handover, "PIECE_BYTES", 1000)
        leave(image)
        place = handover._place(image.bucket_id, image.key, image.etag)
        assert caches["handover"].delete(f"{place}:3")
        assert gets(cloud, image) == Counter(GetObject=1, PutObject=6)

    @pytest.mark.parametrize("changes", [{"etag": "another"}, {"key": "another"}, {"bucket": 0}])
    def test_of_another_object(self, image, cloud, changes):
        leave(image, **changes)
        assert gets(cloud, image) == Counter(GetObject=1, PutObject=6)

    def test_other_bytes_of_the_same_length(self, image, cloud):
        leave(image, BODY[:-1] + bytes([BODY[-1] ^ 1]))
        assert gets(cloud, image) == Counter(GetObject=1, PutObject=6)

    def test_there_is_no_room(self, image, cloud, settings):
        settings.HANDOVER_MAX_BYTES = len(BODY) - 1
        assert not leave(image)
        assert gets(cloud, image) == Counter(GetObject=1, PutObject=6)

    def test_it_is_switched_off(self, image, settings):
        settings.HANDOVER_MAX_BYTES = 0
        assert not leave(image)

    def test_the_cache_is_away(self, image, cloud, settings):
        settings.CACHES = {"default": settings.CACHES["default"]}
        assert not leave(image)
        assert gets(cloud, image) == Counter(GetObject=1, PutObject=6)


def test_what_was_taken_makes_room(image, settings):
    settings.HANDOVER_MAX_BYTES = len(BODY)
    assert leave(image)
    assert not leave(image, etag="another")
    handover.forget(image)
    handover.forget(image)
    assert leave(image)
    assert not leave(image, etag="another")


def test_a_job_that_fails_leaves_them_for_its_next_attempt(image, cloud, monkeypatch):
    leave(image)
    with monkeypatch.context() as patch:
        patch.setattr(renditions, "_put", _fail)
        with pytest.raises(RuntimeError):
            renditions.make(image=image)
    assert Image.objects.get().renditions.count() == 0
    assert gets(cloud, image) == Counter(PutObject=6)


def _fail(*_args, **_options):
    raise RuntimeError
