"""Buckets: rows in line with S3."""

import secrets

from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.models import Bucket
from media_catalog.services import buckets


def test_sync_adds_what_is_new_and_marks_what_is_gone(originals):
    name = f"new-{secrets.token_hex(6)}"
    s3.create_bucket(name, region="eu-west-1")
    Bucket.objects.create(name="long-gone")

    result = buckets.sync()

    added = Bucket.objects.get(name=name)
    assert (added.role, added.missing_since) == (Bucket.Role.GENERAL, None)
    assert added.created_at is not None
    assert Bucket.objects.get(name="long-gone").missing_since is not None
    assert result.missing == 1
    originals.refresh_from_db()
    assert originals.role == Bucket.Role.ORIGINALS


def test_a_bucket_that_is_back_is_present_again(originals):
    Bucket.objects.filter(pk=originals.pk).update(missing_since="2026-01-01T00:00:00Z")

    buckets.sync()

    originals.refresh_from_db()
    assert originals.missing_since is None


def test_the_three_buckets_are_made_once(cloud, db, settings):
    prefix = secrets.token_hex(6)
    settings.BUCKET_ORIGINALS, settings.BUCKET_RENDITIONS, settings.BUCKET_STATIC = (
        f"{prefix}-{role}" for role in ("originals", "renditions", "static")
    )
    assert not buckets.named_are_ready()
    buckets.ensure_named(origins=["http://127.0.0.1:8000"])
    mark = cloud.access_log.mark()

    made = buckets.ensure_named(origins=["http://127.0.0.1:8000"])

    assert cloud.access_log.operations(mark)["CreateBucket"] == 0
    assert [bucket.role for bucket in made] == ["originals", "renditions", "static"]
    assert Bucket.objects.for_uploads().get().renditions_bucket == made[1]
    assert buckets.named_are_ready()
    made[2].missing_since = timezone.now()
    made[2].save()
    assert not buckets.named_are_ready()


def test_a_bucket_for_files_is_made_where_the_settings_name_one(cloud, db, settings):
    prefix = secrets.token_hex(6)
    settings.BUCKET_ORIGINALS, settings.BUCKET_RENDITIONS, settings.BUCKET_STATIC = (
        f"{prefix}-{role}" for role in ("originals", "renditions", "static")
    )
    buckets.ensure_named(origins=["http://127.0.0.1:8000"])
    assert not Bucket.objects.for_files().exists()
    settings.BUCKET_FILES = f"{prefix}-files"
    Bucket.objects.create(name=settings.BUCKET_FILES)  # as a synchronisation sees it: it takes images only
    assert not buckets.named_are_ready()

    buckets.ensure_named(origins=["http://127.0.0.1:8000"])

    assert Bucket.objects.for_files().get().name == settings.BUCKET_FILES
    assert buckets.named_are_ready()
