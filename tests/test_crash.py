"""Killed processes: what was begun is completed, once."""

from collections import Counter

import pytest

from tests.faultproxy import FaultProxy
from tests.pictures import jpeg
from tests.stack import Stack, kill_tree, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

START_JOB = """
from django.core.files.uploadedfile import SimpleUploadedFile
from django.contrib.auth.models import User
from media_catalog import jobs
from media_catalog.models import Bucket
from media_catalog.services import uploads
body = open({path!r}, "rb").read()
bucket = Bucket.objects.get(role="originals")
images = [
    uploads.store(file=SimpleUploadedFile("p.jpg", body), name=f"{{n}}.jpg", caption="", bucket=bucket, user=None)
    for n in range(3)
]
print(jobs.start(kind="make_renditions", user=User.objects.get(), images=[image.pk for image in images]).pk)
"""


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, JOB_ITEM_SECONDS="6") as stack:
        yield stack


def _start_job(stack: Stack, tmp_path) -> int:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(jpeg(900, 700))
    return int(stack.manage("shell", "-v0", "-c", START_JOB.format(path=str(picture))))


def _finished(stack: Stack, job: int) -> bool:
    return stack.query("SELECT state FROM media_catalog_job WHERE id = ?", job) == [("finished",)]


def test_a_worker_killed_between_put_and_row_repeats_at_most_that_put(stack, tmp_path):
    host, port = stack.cloud.endpoint_url.removeprefix("http://").split(":")
    proxy = FaultProxy((host, int(port)))
    job = _start_job(stack, tmp_path)
    mark = stack.cloud.access_log.mark()
    proxy.hold_puts.set()
    try:
        worker = stack.start_worker(AWS_ENDPOINT_URL=f"http://127.0.0.1:{proxy.port}", WORKERS="2")
        assert proxy.held.wait(30), stack.log("worker")
        kill_tree(worker)
    finally:
        proxy.close()
    assert not _finished(stack, job)
    leases = "SELECT count(*) FROM media_catalog_jobitem WHERE state = 'running' AND lease_until >= datetime('now')"
    wait_for(lambda: stack.query(leases) == [(0,)], 10)

    stack.start_worker()
    wait_for(lambda: _finished(stack, job), 60)

    items = stack.query("SELECT state, message FROM media_catalog_jobitem WHERE job_id = ?", job)
    assert [state for state, _message in items] == ["done"] * 3, items
    assert stack.query("SELECT count(*) FROM media_catalog_rendition") == [(18,)]
    puts = Counter(entry.key for entry in stack.cloud.access_log.since(mark) if entry.operation == "PutObject")
    assert len(puts) == 18
    assert sum(puts.values()) <= 18 + 1
    assert max(puts.values()) <= 2
