"""A sweep of many objects: one request for each 1,000 keys, and as many queries a batch however many there are."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, Image, Preset, Rendition, RequestLimit, StoredFile
from media_catalog.services import retention, sweeping

MEGABYTE = 1024**2


class _Deletes(BaseHTTPRequestHandler):
    """DeleteObjects that deletes all it is asked for; `batches` has the keys of each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.batches.append(re.findall("<Key>(.*?)</Key>", body))  # type: ignore[attr-defined]
        answer = b"<DeleteResult/>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def batches(settings, db) -> Iterator[list[list[str]]]:
    """Those sent to a server in the place of S3. Limits are out of the way."""
    RequestLimit.objects.update(limit=1_000_000)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Deletes) as server:
        server.daemon_threads = True
        server.batches = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{server.server_port}"
        forget_clients()
        yield server.batches  # type: ignore[attr-defined]
        forget_clients()
        server.shutdown()
        thread.join()


def _bucket(**fields) -> Bucket:
    rule = {"expire_after": 900, "keep_newest": 10, "retention_on": True}
    return Bucket.objects.create(region="us-east-1", **{**rule, **fields})


def _facts(bucket, number) -> dict:
    name = f"{number:06}"
    created_at = timezone.now() - timedelta(hours=1, milliseconds=number)
    return {"bucket": bucket, "key": name, "name": name, "etag": "e", "size": 1, "created_at": created_at}


def _sweep(bucket) -> tuple[int, int]:
    """How many were removed, by how many queries."""
    with CaptureQueriesContext(connection) as queries:
        swept = sweeping.sweep(bucket, run="one")
        while not swept.done:
            bucket.refresh_from_db()
            swept = sweeping.sweep(bucket, run="one")
    return swept.removed, len(queries)


@pytest.mark.parametrize("count", [5000, pytest.param(50_000, marks=pytest.mark.soak)])
def test_files_take_one_request_for_each_thousand(batches, count):
    bucket = _bucket(name="many")
    StoredFile.objects.bulk_create(
        StoredFile(**_facts(bucket, number), content_type="text/plain", description="a file") for number in range(count)
    )
    estimate = retention.cost(bucket)["s3_tier1"]

    removed, queries = _sweep(bucket)

    assert removed == sum(map(len, batches)) == count
    assert len({key for batch in batches for key in batch}) == count
    assert len(batches) == estimate == count // 1000
    assert queries <= 15 * len(batches) + 10
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_images_with_their_renditions_too(batches, count):
    small = Bucket.objects.create(name="small", role="renditions")
    bucket = _bucket(name="images", role="originals", renditions_bucket=small)
    images = Image.objects.bulk_create(
        Image(**_facts(bucket, number), content_type="image/jpeg", width=1, height=1) for number in range(count)
    )
    facts = {"bucket": small, "etag": "e", "size": 1, "width": 1, "height": 1, "source_etag": "e", "preset_version": 1}
    presets = list(Preset.objects.order_by("pk")[:3])
    Rendition.objects.bulk_create(
        Rendition(image=image, preset=preset, key=f"{preset.slug}/{image.key}", **facts)
        for image in images
        for preset in presets
    )
    estimate = retention.cost(bucket)["s3_tier1"]

    removed, queries = _sweep(bucket)

    assert removed == count
    assert sum(map(len, batches)) == 4 * count
    assert len(batches) == estimate == 4 * count // 1000
    assert queries <= 20 * len(batches) + 10
    assert not Image.objects.exists()
    assert not Rendition.objects.exists()


@pytest.mark.parametrize("count", [2000, pytest.param(20_000, marks=pytest.mark.soak)])
def test_images_with_none_to_three_renditions_fill_their_requests(batches, count):
    """1,500 keys for each 1,000 images: those of several batches of images go together."""
    small = Bucket.objects.create(name="small", role="renditions")
    bucket = _bucket(name="images", role="originals", renditions_bucket=small, keep_newest=None)
    images = Image.objects.bulk_create(
        Image(**_facts(bucket, number), content_type="image/jpeg", width=1, height=1) for number in range(count)
    )
    facts = {"bucket": small, "etag": "e", "size": 1, "width": 1, "height": 1, "source_etag": "e", "preset_version": 1}
    presets = list(Preset.objects.order_by("pk")[:3])
    Rendition.objects.bulk_create(
        Rendition(image=image, preset=preset, key=f"{preset.slug}/{image.key}", **facts)
        for number, image in enumerate(images)
        for preset in presets[: number % 4]
    )
    estimate = retention.cost(bucket)["s3_tier1"]

    removed, _queries = _sweep(bucket)

    assert removed == count
    assert len(batches) == estimate == 5 * count // 2000
    assert {len(batch) for batch in batches} == {1000}
    assert len({key for batch in batches for key in batch}) == 5 * count // 2
    assert not Image.objects.exists()
    assert not Rendition.objects.exists()
