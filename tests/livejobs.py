"""Jobs on a live stack, seen from outside: through the database and through the server's access log."""

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faultproxy import FaultProxy
from tests.pictures import jpeg
from tests.stack import Stack, wait_for

RENDITIONS = 6  # of each image, by the presets that a migration makes
START = """
from pathlib import Path
from django.core.files.uploadedfile import SimpleUploadedFile
from django.contrib.auth.models import User
from media_catalog import jobs
from media_catalog.models import Bucket, RequestLimit
from media_catalog.services import uploads
RequestLimit.objects.update(limit=1_000_000)
bucket = Bucket.objects.get(role="originals")
images = []
for path in {paths!r}:
    file = SimpleUploadedFile("p.jpg", Path(path).read_bytes())
    name = f"{name}-{{len(images)}}.jpg"
    images.append(uploads.store(file=file, name=name, caption="", bucket=bucket, user=None).pk)
print(jobs.start(kind="make_renditions", user=User.objects.get(), images=images).pk)
"""


def start_job(stack: Stack, pictures: Sequence[Path], **environment: str) -> int:
    """Upload the pictures and start a job that makes their renditions; returns its id. No limit is in its way."""
    paths = [str(picture) for picture in pictures]
    # A name of its own, as other databases may know other images in the same bucket.
    return int(stack.python(START.format(paths=paths, name=secrets.token_hex(4)), **environment))


def start_job_of(stack: Stack, count: int, *, width: int = 90, height: int = 70, **environment: str) -> int:
    """A job of so many images of one size."""
    picture = stack.data_dir / "picture.jpg"
    picture.write_bytes(jpeg(width, height))
    return start_job(stack, [picture] * count, **environment)


def is_finished(stack: Stack, job: int) -> bool:
    return stack.query("SELECT state FROM media_catalog_job WHERE id = ?", job) == [("finished",)]


def wait_until_finished(stack: Stack, job: int, seconds: float) -> None:
    try:
        wait_for(lambda: is_finished(stack, job), seconds)
    except AssertionError as error:
        raise AssertionError(f"{items(stack, job)}\n{stack.log('worker')}") from error


def items(stack: Stack, job: int) -> Counter[str]:
    """Of a job, by state."""
    rows = stack.query("SELECT state, count(*) FROM media_catalog_jobitem WHERE job_id = ? GROUP BY state", job)
    return Counter(dict(rows))


def all_made(stack: Stack, job: int) -> bool:
    """Whether each item ended well. The next who tries skips what a worker had made just before it died."""
    return set(items(stack, job)) <= {"done", "skipped"}


def attempts(stack: Stack, job: int) -> list[int]:
    """The different numbers that its items needed."""
    rows = stack.query("SELECT DISTINCT attempts FROM media_catalog_jobitem WHERE job_id = ? ORDER BY 1", job)
    return [count for (count,) in rows]


def restarts(stack: Stack) -> int:
    """How often the workers have started their clusters anew."""
    return int(stack.query("SELECT coalesce(sum(restarts), 0) FROM media_catalog_worker")[0][0])


def puts(stack: Stack, mark: int) -> Counter[tuple[str, str]]:
    """How often each object, by bucket and key, was written."""
    entries = stack.cloud.access_log.since(mark)
    return Counter((entry.bucket, entry.key) for entry in entries if entry.operation == "PutObject")


@contextmanager
def proxied(stack: Stack) -> Iterator[FaultProxy]:
    """A proxy in front of the cloud, for a worker started with `behind`."""
    host, port = stack.cloud.endpoint_url.removeprefix("http://").split(":")
    proxy = FaultProxy((host, int(port)))
    try:
        yield proxy
    finally:
        proxy.close()


def behind(proxy: FaultProxy) -> dict[str, str]:
    """The environment of a process that reaches the cloud through the proxy."""
    return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
