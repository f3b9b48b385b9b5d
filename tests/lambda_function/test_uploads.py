"""Uploads of the API: renditions under the contract's keys, the original kept, and a signed report."""

import hashlib
import io

import pytest
from PIL import Image

from resizer.storage import Storage
from tests.imaging.pictures import encoded as encoded_with
from tests.imaging.pictures import exif
from tests.lambda_function.events import s3_event, s3_record, sqs_event
from tests.pictures import bomb, encoded, jpeg, picture

ONE = '{"small": {"width": 64, "height": 64}}'


@pytest.fixture
def arrive(invoke, buckets):
    """Sends the function the event of an upload."""
    return lambda hex_digits, **settings: invoke(s3_event(s3_record(buckets.uploads, f"temp/{hex_digits}")), **settings)


def test_renditions_are_made_and_reported(arrive, put, s3, buckets, keys, api):
    body = jpeg(1600, 1200)
    hex_digits = put(body)
    arrive(hex_digits)

    written = {f"image/{hex_digits}_{preset}.jpg" for preset in ("large", "medium", "small")}
    assert set(keys(buckets.renditions)) == written
    assert keys(buckets.uploads) == [f"temp/{hex_digits}"]
    [heard] = api.heard
    assert heard.genuine
    assert (heard.method, heard.path) == ("PUT", f"/async_image/presignedurl/{hex_digits}")
    report = heard.json
    assert report.keys() == {"report", "processed_key", "renditions", "source", "requests", "found"}
    assert report["processed_key"] == f"image/{hex_digits}_large.jpg"
    assert report["requests"] == {"s3_tier1": 3, "s3_tier2": 1}
    assert report["source"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert (report["source"]["size"], report["source"]["probe"]["width"]) == (len(body), 1600)
    for each in report["renditions"]:
        held = s3.get_object(Bucket=buckets.renditions, Key=each["key"])
        content = held["Body"].read()
        assert (each["etag"], each["size"]) == (held["ETag"].strip('"'), len(content))
        assert Image.open(io.BytesIO(content)).size == (each["width"], each["height"])
    assert [(each["width"], each["height"]) for each in report["renditions"]] == [(1280, 960), (640, 480), (200, 150)]


def test_metadata_and_content_type_go_with_it(arrive, put, s3, buckets):
    hex_digits = put(encoded(picture(), "PNG"), content_type="image/jpeg", album="a, b", city="S%C3%A3o")
    arrive(hex_digits, PRESETS=ONE)

    held = s3.head_object(Bucket=buckets.renditions, Key=f"image/{hex_digits}_small.png")
    assert held["ContentType"] == "image/png"
    assert held["Metadata"].items() >= {"album": "a, b", "city": "S%C3%A3o", "backoffice-preset": "small"}.items()


def test_metadata_that_fills_what_s3_takes_is_no_obstacle(arrive, put, s3, buckets, api):
    hex_digits = put(jpeg(), short="kept", long="x" * 2030)
    arrive(hex_digits, PRESETS=ONE)

    held = s3.head_object(Bucket=buckets.renditions, Key=f"image/{hex_digits}_small.jpg")
    assert {name for name in held["Metadata"] if not name.startswith("backoffice-")} == {"short"}
    assert "processed_key" in api.heard[0].json


def test_it_is_never_enlarged_and_upright(arrive, put, api):
    arrive(put(encoded_with(picture(800, 600), "JPEG", exif=exif(orientation=6))))

    [large, *_others] = api.heard[0].json["renditions"]
    assert large["height"] > large["width"]
    assert large["height"] < 1280


def test_blurred_ones_on_request(arrive, put, s3, buckets, keys):
    hex_digits = put(encoded(picture(), "PNG"))
    arrive(hex_digits, PRESETS=ONE, BLUR="true", BLUR_RADIUS="8")

    sharp, blurred = (
        Image.open(s3.get_object(Bucket=buckets.renditions, Key=f"image/{hex_digits}_{name}.png")["Body"])
        for name in ("small", "small-blur")
    )
    assert sharp.size == blurred.size
    assert sharp.tobytes() != blurred.tobytes()


def test_a_second_delivery_writes_nothing_and_reports_the_same(arrive, put, local_cloud, api, s3, buckets):
    hex_digits = put(jpeg())
    arrive(hex_digits, PRESETS=ONE)
    before = s3.head_object(Bucket=buckets.renditions, Key=f"image/{hex_digits}_small.jpg")["LastModified"]
    arrive(hex_digits, PRESETS=ONE)

    first, second = (heard.json for heard in api.heard)
    of_the_run = {"report": "", "requests": {}, "found": 0}
    assert {**first, **of_the_run} == {**second, **of_the_run}
    assert first["report"] != second["report"]
    assert (first["found"], second["found"]) == (0, 1)
    assert second["requests"] == {"s3_tier1": 1, "s3_tier2": 2}
    assert s3.head_object(Bucket=buckets.renditions, Key=f"image/{hex_digits}_small.jpg")["LastModified"] == before


class TestKilled:
    """In the middle of its PUTs, as Lambda ends a run that lasts too long: nobody has heard of what it did."""

    @pytest.fixture
    def killed(self, put, buckets, invoke, monkeypatch):
        """The event of an upload, of which the first of three renditions is written."""
        event = sqs_event(s3_event(s3_record(buckets.uploads, f"temp/{put(jpeg(1600, 1200))}")))
        write = Storage.put

        def dying(storage, bucket, key, *args, **options):
            if not key.endswith("_large.jpg"):
                raise SystemExit
            return write(storage, bucket, key, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Storage, "put", dying)
            with pytest.raises(SystemExit):
                invoke(event)
        return event

    def test_the_next_delivery_does_the_rest(self, killed, invoke, api, s3, buckets, keys, put, arrive):
        [written] = keys(buckets.renditions)
        before = s3.head_object(Bucket=buckets.renditions, Key=written)["LastModified"]
        assert not api.heard
        assert invoke(killed) == {"batchItemFailures": []}
        assert s3.head_object(Bucket=buckets.renditions, Key=written)["LastModified"] == before
        arrive(put(jpeg(1600, 1200)))

        after, whole = (heard.json for heard in api.heard)
        assert [{**each, "key": ""} for each in after["renditions"]] == [
            {**each, "key": ""} for each in whole["renditions"]
        ]
        assert {each["key"] for each in [*after["renditions"], *whole["renditions"]]} == set(keys(buckets.renditions))
        for each in after["renditions"]:
            held = s3.head_object(Bucket=buckets.renditions, Key=each["key"])
            assert (held["ETag"].strip('"'), held["ContentLength"]) == (each["etag"], each["size"])

    def test_it_reports_its_own_requests_and_what_it_found(self, killed, invoke, api, local_cloud):
        mark = local_cloud.access_log.mark()
        invoke(killed)

        assert local_cloud.access_log.operations(mark) == {"GetObject": 1, "PutObject": 3, "HeadObject": 1}
        assert api.heard[0].json["requests"] == {"s3_tier1": 3, "s3_tier2": 2}
        assert api.heard[0].json["found"] == 1

    def test_a_third_delivery_changes_nothing(self, killed, invoke, api, buckets, keys):
        invoke(killed)
        made = keys(buckets.renditions)
        assert invoke(killed) == {"batchItemFailures": []}

        second, third = (heard.json for heard in api.heard)
        assert (third["processed_key"], third["renditions"]) == (second["processed_key"], second["renditions"])
        assert keys(buckets.renditions) == made


def test_the_requests_reported_are_those_that_s3_got(arrive, put, local_cloud, api):
    hex_digits = put(jpeg())
    mark = local_cloud.access_log.mark()
    arrive(hex_digits)

    assert local_cloud.access_log.operations(mark) == {"GetObject": 1, "PutObject": 3}
    assert api.heard[0].json["requests"] == {"s3_tier1": 3, "s3_tier2": 1}


def test_a_second_object_under_the_key_does_not_replace_the_first(arrive, put, s3, buckets, api):
    hex_digits = put(jpeg())
    arrive(hex_digits, PRESETS=ONE)
    s3.put_object(Bucket=buckets.uploads, Key=f"temp/{hex_digits}", Body=jpeg(300, 200))
    arrive(hex_digits, PRESETS=ONE)

    assert api.heard[1].json["error"] == {"code": "replaced", "reason": "", "facts": {}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_image"),
        (b"MZ\x90 not a picture", "not_image"),
        (b"", "empty"),
        (jpeg()[:2000], "damaged"),
        (bomb(), "too_many_pixels"),
        (encoded(picture(), "BMP"), "format"),
    ],
    ids=["svg", "program", "empty", "cut", "bomb", "bmp"],
)
def test_what_cannot_be_processed_is_reported(arrive, put, keys, buckets, api, body, reason):
    arrive(put(body))

    report = api.heard[0].json
    assert (report["error"]["code"], report["error"]["reason"]) == ("image_refused", reason)
    assert ("accepted" in report["error"]["facts"]) == (reason in ("not_image", "format", "damaged"))
    assert report["requests"] == {"s3_tier2": 1}
    assert "processed_key" not in report
    assert not keys(buckets.renditions)


def test_a_file_that_is_too_large_is_not_read(arrive, put, api):
    body = jpeg()
    arrive(put(body), IMAGE_MAX_BYTES="1000")

    assert api.heard[0].json["error"]["facts"] == {"size": len(body), "limit": 1000}


def test_an_object_that_is_gone_is_nobodys_business(arrive, api, logged):
    arrive("0" * 32)

    assert not api.heard
    assert [(line["message"], line["reason"]) for line in logged()] == [("ignored", "gone")]


def test_each_record_of_each_message_is_taken(invoke, put, buckets, api):
    uploads = [put(jpeg()) for _number in range(3)]
    first, second, third = (s3_record(buckets.uploads, f"temp/{each}") for each in uploads)
    answer = invoke(sqs_event(s3_event(first, second), s3_event(third)), PRESETS=ONE)

    assert answer == {"batchItemFailures": []}
    assert [heard.path.rpartition("/")[2] for heard in api.heard] == uploads
