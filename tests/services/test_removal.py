"""Removal takes objects, renditions and rows together."""

import pytest

from media_catalog.aws import s3
from media_catalog.exceptions import AwsUnavailable
from media_catalog.models import Analysis, Face, Image, Rendition
from media_catalog.services import detection, removal, renditions
from tests.pictures import one_face


def test_everything_goes(store, cloud, originals):
    image = store(one_face())
    renditions.make(image=image)
    detection.detect(image=image)
    keys = list(image.renditions.values_list("key", flat=True))
    assert removal.object_count([image.pk]) == 7
    mark = cloud.access_log.mark()

    assert removal.remove(image=image) == 7

    assert dict(cloud.access_log.operations(mark)) == {"DeleteObject": 7}
    assert s3.head_object(originals.name, "photo.jpg") is None
    assert all(s3.head_object(f"{originals.name}-resized", key) is None for key in keys)
    assert not any(model.objects.exists() for model in (Image, Rendition, Analysis, Face))


def test_a_fault_in_the_middle_keeps_the_row_and_a_second_run_ends_it(store, monkeypatch):
    image = store()
    renditions.make(image=image)
    delete = s3.delete_object
    calls = []

    def fails_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise AwsUnavailable("no answer")
        delete(*args)

    monkeypatch.setattr(s3, "delete_object", fails_at_the_third)
    with pytest.raises(AwsUnavailable):
        removal.remove(image=image)
    assert Image.objects.exists()

    removal.remove(image=image)
    assert not Image.objects.exists()
