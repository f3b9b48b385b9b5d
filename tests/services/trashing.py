"""Buckets and images, as tests of the trash need them, and calls that fail."""

import secrets

import pytest

from media_catalog.aws import listing, s3
from media_catalog.models import (
    Bucket,
    Image,
    Preset,
    RequestLimit,
    TrashedObject,
)
from media_catalog.services import (
    renditions,
    trash_restore,
    uploads,
)
from tests.pictures import jpeg, upload_file


@pytest.fixture
def bucket(cloud, db) -> Bucket:
    """For originals, which are given two renditions."""
    RequestLimit.objects.update(limit=1_000_000)
    Preset.objects.exclude(slug__in=["thumbnail", "low"]).update(active=False)
    name = f"trash-{secrets.token_hex(6)}"
    for each in (name, f"{name}-resized"):
        s3.create_bucket(each, region="us-east-1")
    place = Bucket.objects.create(name=f"{name}-resized", role=Bucket.Role.RENDITIONS, region="us-east-1")
    return Bucket.objects.create(name=name, role=Bucket.Role.ORIGINALS, region="us-east-1", renditions_bucket=place)


@pytest.fixture
def image(bucket) -> Image:
    """With its renditions."""
    stored = uploads.store(file=upload_file(jpeg(), "p.jpg"), name="p.jpg", caption="", bucket=bucket, user=None)
    renditions.make(image=stored)
    return stored


def keys_of(bucket: Bucket) -> set[str]:
    return {entry.key for entry in listing.list_page(bucket.name).objects}


def again(image: Image) -> Image:
    return Image.everything.select_related("bucket__renditions_bucket").get(pk=image.pk)


def restored(image: Image) -> str:
    return trash_restore.restore(pk=TrashedObject.objects.get(image=image).pk)


@pytest.fixture
def failing(monkeypatch):
    """`failing(module, name, error)`: the next call fails, before it is sent or, with `after`, when it was answered."""

    def _failing(module, name, error, *, after=False):
        real, todo = getattr(module, name), [error]

        def fails_once(*args, **kwargs):
            if todo and not after:
                raise todo.pop()
            answer = real(*args, **kwargs)
            if todo:
                raise todo.pop()
            return answer

        monkeypatch.setattr(module, name, fails_once)

    return _failing
