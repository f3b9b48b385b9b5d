"""The real zip under Lambda's own runtime client: how fast it starts, how much it needs, what too much does to it."""

import sys
import time

import pytest

from tests.imaging.pictures import encoded, photo, plain
from tests.lambda_function.events import s3_event, s3_record, sqs_event
from tests.lambda_function.runtime import running

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's task root is read-only
}


@pytest.fixture
def run(task_root, environment):
    return lambda **options: running(task_root, {**environment, **CREDENTIALS}, **options)


@pytest.fixture
def arrival(put, buckets):
    """Puts an upload of the API; the event of it, in a message."""
    return lambda body: sqs_event(s3_event(s3_record(buckets.uploads, f"temp/{put(body)}")))


@pytest.fixture(scope="module")
def twelve_megapixels():
    return encoded(photo(4000, 3000), "JPEG", quality=90)


def test_the_cold_path_of_twelve_megapixels(run, arrival, api, twelve_megapixels, capsys):
    """From the start of the process to the answered callback: at most 2 s and 256 MB.

    Without the time for which other tests had the processors. They delay S3 too, so one of six starts is enough.
    """
    cold, warm, peak = [], [], []
    while len(cold) < 6 and min(cold, default=3) > 2:
        first, second = arrival(twelve_megapixels), arrival(twelve_megapixels)
        with run(megabytes=256) as runtime:
            assert runtime.invoke(first) == ("response", {"batchItemFailures": []})
            cold.append(time.monotonic() - runtime.begun - runtime.delayed_seconds)
            begun = time.monotonic()
            runtime.invoke(second)
            warm.append(time.monotonic() - begun)
            peak.append(runtime.peak_megabytes)
            assert "site-packages" not in pillow_of(runtime)

    with capsys.disabled():
        size = len(twelve_megapixels) / 1e6
        figures = f"cold {min(cold):.2f} s, warm {min(warm):.2f} s, peak {max(peak):.0f} MB"
        sys.stdout.write(f"\n12 MP JPEG of {size:.1f} MB: {figures}\n")
    assert len(api.heard) == 2 * len(cold)
    assert all(heard.genuine and "processed_key" in heard.json for heard in api.heard)
    assert min(cold) <= 2
    assert max(peak) <= 256


def pillow_of(runtime) -> str:
    """Where the process got Pillow from, by its memory map."""
    [path] = {line.split()[-1] for line in runtime.mapped.splitlines() if "/PIL/_imaging.c" in line}
    return path


def test_an_image_too_large_for_the_memory_is_reported_and_the_function_lives(run, arrival, api):
    """49 MP of PNG need 147 MB at once: too much for a function of 160."""
    events = [arrival(encoded(plain(7000, 7000), "PNG")), arrival(encoded(photo(640, 480), "JPEG"))]
    with run(megabytes=160) as runtime:
        answers = [runtime.invoke(event, seconds=60) for event in events]

    assert answers == [("response", {"batchItemFailures": []})] * 2
    assert api.heard[0].json["error"] == {"code": "out_of_memory", "reason": "", "facts": {}}
    assert "processed_key" in api.heard[1].json


@pytest.mark.parametrize("format", ["TIFF", "AVIF"])
def test_a_child_process_finds_what_it_needs_in_the_task_root(run, arrival, api, format):
    """These formats are read by a process of their own, which gets nothing but the path of this one."""
    with run(megabytes=512) as runtime:
        assert runtime.invoke(arrival(encoded(photo(640, 480), format))) == ("response", {"batchItemFailures": []})

    assert [made["width"] for made in api.heard[0].json["renditions"]] == [640, 640, 200]


def test_a_file_of_any_size_is_refused_before_it_is_in_memory(run, arrival, api):
    """130 MB would not fit: it is refused by what S3 says of it."""
    with run(megabytes=160) as runtime:
        runtime.invoke(arrival(bytes(130_000_000)))

    assert api.heard[0].json["error"]["facts"] == {"size": 130_000_000, "limit": 15 * 1024 * 1024}


def test_a_direct_event_that_fails_is_an_error_to_lambda(run):
    with run() as runtime:
        kind, answer = runtime.invoke(s3_event(s3_record("no-such-bucket", "photo.jpg")))

    assert (kind, answer["errorType"]) == ("error", "Failed")
