"""What a bucket takes: formats from the settings, and pixel sizes by its upload rule."""

import io

import pytest

from media_catalog.exceptions import ImageRefused
from media_catalog.models import Bucket, Image, Upload
from media_catalog.services.sentences import sentence
from tests.pictures import encoded, jpeg, picture

EXACT, MINIMUM, MAXIMUM = Bucket.UploadRule.EXACT, Bucket.UploadRule.MINIMUM, Bucket.UploadRule.MAXIMUM


def test_a_format_that_the_settings_leave_out_is_refused(store, settings):
    settings.IMAGE_FORMATS = ("JPEG",)
    with pytest.raises(ImageRefused) as refused:
        store(encoded(picture(), "GIF"))
    assert sentence(refused.value) == "This is a GIF file; accepted are JPEG."


@pytest.mark.parametrize(
    ("rule", "taken", "refused"),
    [
        (EXACT, [(1024, 786)], [(1024, 785), (1025, 786), (786, 1024)]),
        (MINIMUM, [(1024, 786), (2000, 1500)], [(1023, 2000), (2000, 785)]),
        (MAXIMUM, [(1024, 786), (10, 10)], [(1025, 10), (10, 787)]),
        (Bucket.UploadRule.NONE, [(10, 10), (2000, 1500)], []),
    ],
)
def test_rules_and_sizes(rule, taken, refused):
    bucket = Bucket(upload_rule=rule)
    assert all(bucket.allows(*size) for size in taken)
    assert not any(bucket.allows(*size) for size in refused)


@pytest.mark.parametrize(("rule", "words"), [(EXACT, "exactly"), (MINIMUM, "at least"), (MAXIMUM, "at most")])
def test_the_refusal_names_both_sizes_and_leaves_nothing(store, originals, cloud, rule, words):
    Bucket.objects.filter(pk=originals.pk).update(upload_rule=rule, rule_width=1024, rule_height=786)
    originals.refresh_from_db()
    mark = cloud.access_log.mark()

    with pytest.raises(ImageRefused) as refused:
        store(jpeg(1100, 700))

    assert sentence(refused.value) == (f"This image has 1,100 × 700 pixels; the bucket takes {words} 1,024 × 786.")
    assert not cloud.access_log.operations(mark)
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


def test_the_size_that_counts_is_the_upright_one(store, originals):
    """A phone held upright stores the picture lying, with a note to turn it."""
    originals.upload_rule, originals.rule_width, originals.rule_height = EXACT, 480, 640
    lying = picture(640, 480)
    turned = lying.getexif()
    turned[0x0112] = 6
    body = _with_exif(lying, turned)

    assert (store(body).width, store(body).height) == (480, 640)


def _with_exif(image, exif) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_an_animation_is_marked(store):
    frames = [picture(60, 40), picture(60, 40).rotate(180)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])

    image = store(buffer.getvalue(), name="moving.gif")

    assert (image.format, image.frames, image.animated) == ("GIF", 2, True)
