"""The originals flow: a thumbnail under the same key in the renditions bucket, and never a loop."""

import io

import pytest
from PIL import Image

from tests.lambda_function.events import s3_event, s3_record
from tests.pictures import jpeg

ODD = "álbum 1/a+b & c é.jpg"


@pytest.fixture
def arrive(invoke, buckets, s3):
    """Puts an original and sends the function its event."""

    def _arrive(key: str, body: bytes, bucket: str = buckets.uploads, **settings: str):
        s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"album": "holidays"})
        return invoke(s3_event(s3_record(bucket, key)), **settings)

    return _arrive


@pytest.mark.parametrize("key", [ODD, "no-extension", "a/b.png", "temp/not-an-upload.jpg", "image/own.jpg"])
def test_a_thumbnail_under_the_same_key(arrive, s3, buckets, keys, api, key):
    arrive(key, jpeg(800, 600))

    assert keys(buckets.renditions) == [key]
    held = s3.get_object(Bucket=buckets.renditions, Key=key)
    assert Image.open(io.BytesIO(held["Body"].read())).size == (200, 150)
    assert held["ContentType"] == "image/jpeg"
    assert held["Metadata"]["album"] == "holidays"
    assert keys(buckets.uploads) == [key]
    assert not api.heard


@pytest.mark.parametrize(("size", "expected"), [((120, 90), (120, 90)), ((2000, 2), (200, 1))])
def test_narrow_ones_and_panoramas(arrive, s3, buckets, size, expected):
    arrive("photo", jpeg(*size))

    assert Image.open(s3.get_object(Bucket=buckets.renditions, Key="photo")["Body"]).size == expected


def test_a_new_original_gets_a_new_thumbnail(arrive, s3, buckets):
    arrive("photo", jpeg(800, 600))
    arrive("photo", jpeg(600, 800))

    assert Image.open(s3.get_object(Bucket=buckets.renditions, Key="photo")["Body"]).size == (200, 267)


def test_one_that_is_no_image_is_logged_and_done(arrive, buckets, keys, logged):
    arrive("notes.txt", b"no picture")

    assert not keys(buckets.renditions)
    [line] = logged()
    assert (line["message"], line["key"], line["requests"]) == ("refused", "notes.txt", {"s3_tier2": 1})


def test_source_and_destination_the_same(arrive, s3, buckets, logged):
    body = jpeg(800, 600)
    arrive("photo.jpg", body, bucket=buckets.renditions)

    assert s3.get_object(Bucket=buckets.renditions, Key="photo.jpg")["Body"].read() == body
    assert logged()[0]["reason"] == "the thumbnail would replace its original"


@pytest.mark.parametrize("key", [f"image/{'ab' * 16}_large.jpg", "preview/photo.jpg.86c107b2d87f-v1.jpg"])
def test_no_rendition_is_replaced_by_the_thumbnail_of_another_original(arrive, s3, buckets, logged, key):
    s3.put_object(Bucket=buckets.renditions, Key=key, Body=b"a rendition")
    arrive(key, jpeg(800, 600))

    assert s3.get_object(Bucket=buckets.renditions, Key=key)["Body"].read() == b"a rendition"
    [line] = logged()
    assert (line["message"], line["reason"]) == ("ignored", "the thumbnail would replace a rendition")
    assert (line["key"], line["requests"]) == (key, {})


def test_its_own_output_is_left_alone_wherever_it_comes_back(arrive, invoke, s3, buckets, keys, logged):
    arrive("photo.jpg", jpeg(800, 600))
    source = {"Bucket": buckets.renditions, "Key": "photo.jpg"}
    s3.copy_object(Bucket=buckets.uploads, Key="copied.jpg", CopySource=source)
    logged()
    invoke(s3_event(s3_record(buckets.uploads, "copied.jpg", "ObjectCreated:Copy")))
    own = f"image/{'0' * 32}_small.jpg"
    invoke(s3_event(s3_record(buckets.renditions, own)))

    assert [line["reason"] for line in logged()] == ["own output", "own output"]
    assert keys(buckets.renditions) == ["photo.jpg"]


def test_a_bucket_that_is_not_served(invoke, local_cloud, logged):
    mark = local_cloud.access_log.mark()
    invoke(s3_event(s3_record("anybodys", "photo.jpg")))

    assert logged()[0]["reason"] == "not a bucket that is served"
    assert not local_cloud.access_log.operations(mark)


def test_uploads_of_the_api_come_from_its_own_bucket_only(arrive, buckets, keys, api):
    key = f"temp/{'ab' * 16}"
    arrive(key, jpeg(), UPLOAD_BUCKET="another")

    assert keys(buckets.renditions) == [key]
    assert not api.heard


def test_both_in_one_bucket(arrive, buckets, keys, api):
    """As the second source system had it: `temp/` and `image/` side by side."""
    arrive(f"temp/{'ab' * 16}", jpeg(), bucket=buckets.renditions)

    assert api.heard[0].json["processed_key"] in keys(buckets.renditions)
