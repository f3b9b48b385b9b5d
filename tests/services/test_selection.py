"""What an estimate is told of a selection, and what it makes of it."""

import contextlib

import pytest

from localcloud.process import RunningCloud
from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket, Image, Preset
from media_catalog.quota.estimate import CURRENT, REFUSED, UNPAIRED, estimate
from media_catalog.services import detection, renditions
from media_catalog.services.selection import candidates
from tests.pictures import encoded, jpeg, one_face, picture


def test_detection_sorts_a_selection(store):
    seen, fresh, webp = store(one_face()), store(jpeg()), store(encoded(picture(), "WEBP"))
    detection.detect(image=seen)
    selection = candidates([seen.pk, fresh.pk, webp.pk, 999_999])

    found = estimate("detect_faces", selection, {})
    assert (found.requests, found.skipped) == ({"rekognition_image": 1}, {"analysed": 1, "unreadable": 1})
    again = estimate("detect_faces", selection, {"again": True})
    assert (again.requests, again.skipped) == ({"rekognition_image": 2}, {"unreadable": 1})


def test_renditions_count_what_is_missing_and_replaced(store):
    done, fresh = store(), store()
    renditions.make(image=done)
    Preset.objects.filter(slug__in=["low", "thumbnail"]).update(version=2)

    found = estimate("make_renditions", candidates([done.pk, fresh.pk]), {})

    assert found.requests == {"s3_tier2": 2, "s3_tier1": 2 + 6, "free": 1}
    assert found.bytes == done.size + fresh.size
    assert found.price({"s3_tier1": 0.01, "s3_tier2": 0.001, "free": 0}) == 0.082
    assert found.fitting({"s3_tier1": 7}) == 1
    assert found.fitting({"s3_tier1": 1}) == 0
    assert found.fitting({}) == 2


def _measured(image: Image, cloud: RunningCloud, *, stale_of: int | None = None) -> dict[str, int]:
    mark = cloud.access_log.mark()
    with contextlib.suppress(BackofficeError):
        renditions.make(image=Image.objects.get(pk=image.pk), stale_of=stale_of)
    sent = cloud.access_log.operations(mark)
    classes = {"PutObject": "s3_tier1", "GetObject": "s3_tier2", "DeleteObject": "free"}
    return {classes[operation]: count for operation, count in sent.items()}


def test_renditions_of_an_unpaired_bucket_cost_nothing(store, originals, cloud):
    image = store()
    Bucket.objects.filter(pk=originals.pk).update(renditions_bucket=None)

    found = estimate("make_renditions", candidates([image.pk]), {})

    assert (found.requests, found.skipped) == ({}, {UNPAIRED: 1})
    assert not _measured(image, cloud)
    assert not Image.objects.for_workers().exists()


def test_renditions_of_too_many_pixels_cost_nothing(store, cloud, settings):
    fresh, held, hopeless = store(), store(), store()
    renditions.make(image=held)
    Preset.objects.filter(slug="high").update(width=4000, height=4000, allow_upscale=True, version=2)
    settings.IMAGE_MAX_PIXELS = 2000 * 2000

    for image, missing in [(fresh, 5), (held, 0)]:
        [candidate] = candidates([image.pk])
        assert (candidate.missing, candidate.replaced, candidate.refused) == (missing, 0, 1)
        assert estimate("make_renditions", [candidate], {}).requests == _measured(image, cloud)

    settings.IMAGE_MAX_PIXELS = 1
    found = estimate("make_renditions", candidates([hopeless.pk]), {})
    assert (found.requests, found.skipped) == ({}, {REFUSED: 1})
    assert not _measured(hopeless, cloud)


@pytest.mark.parametrize(
    ("slug", "changes", "requests", "skipped"),
    [
        ("low", {"version": 2}, {"s3_tier2": 1, "s3_tier1": 1, "free": 1}, {}),
        ("thumbnail", {"version": 2}, {"s3_tier2": 1, "s3_tier1": 1}, {}),
        ("low", {"version": 2, "active": False}, {}, {CURRENT: 3}),
        ("low", {}, {}, {CURRENT: 3}),
        ("low", {"width": 4000, "height": 4000, "allow_upscale": True, "version": 2}, {}, {CURRENT: 2, REFUSED: 1}),
    ],
)
def test_of_one_preset_what_is_stale_counts_alone(store, cloud, settings, slug, changes, requests, skipped):
    """Of three images one has all renditions, one has some that are not stale, and one has none."""
    settings.IMAGE_MAX_PIXELS = 2000 * 2000
    whole, part, bare = store(), store(), store()
    for image in (whole, part):
        renditions.make(image=image)
    part.renditions.filter(preset__slug=slug).delete()
    Preset.objects.filter(slug="high").update(version=2)
    Preset.objects.filter(slug=slug).update(**changes)
    preset = Preset.objects.get(slug=slug).pk

    found = estimate("make_renditions", candidates([whole.pk, part.pk, bare.pk], stale_of=preset), {})

    skipped = skipped or {CURRENT: 2}
    assert (found.requests, found.skipped) == (requests, skipped)
    assert _measured(whole, cloud, stale_of=preset) == requests
    assert not _measured(part, cloud, stale_of=preset) | _measured(bare, cloud, stale_of=preset)


def test_ten_thousand_images_cost_few_queries(originals, django_assert_max_num_queries):
    Image.objects.bulk_create(
        (
            Image(bucket=originals, key=f"{number}.jpg", etag="e", size=1, width=100, height=100, format="JPEG")
            for number in range(10_000)
        ),
        batch_size=1000,
    )
    ids = list(Image.objects.values_list("pk", flat=True))

    with django_assert_max_num_queries(10):
        found = estimate("make_renditions", candidates(ids), {})

    assert found.requests == {"s3_tier2": 10_000, "s3_tier1": 60_000}
