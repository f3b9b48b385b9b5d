"""A part of bench/jobs.py: how fast real workers get through items that do nothing. `ours` or `stock`, and how many."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import surroundings

surroundings.set_up()

import jobs_rows
from django.db import transaction
from django_q.models import OrmQ
from django_q.tasks import async_task
from jobs_nothing import TASK

from media_catalog import jobs
from media_catalog.models import Job, JobItem

LOOK_SECONDS = 0.05  # between two looks at how many are left
STOP_SECONDS = 30


def main() -> None:
    side, count = sys.argv[1], int(sys.argv[2])
    print(json.dumps({"ours": ours, "stock": stock}[side](count)))


def ours(count: int) -> float:
    job = jobs.start(kind="make_renditions", user=None, images=jobs_rows.images(count))
    with _running("worker") as worker:
        rate = _rate(lambda: job.items.open().count(), worker)
    assert job.items.filter(state=JobItem.State.DONE).count() == count
    assert Job.objects.get().state == Job.State.FINISHED
    return rate


def stock(count: int) -> float:
    with transaction.atomic():  # how long it takes to hand them over is another figure
        for number in range(count):
            async_task(TASK, number)
    with _running("qcluster", "--skip-checks") as worker:  # our checks refuse such settings
        return _rate(OrmQ.objects.count, worker)


@contextmanager
def _running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    worker = subprocess.Popen([sys.executable, surroundings.ROOT / "manage.py", *command], stdout=quiet, stderr=quiet)
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(STOP_SECONDS)


def _rate(left: Callable[[], int], worker: subprocess.Popen[bytes]) -> float:
    """Items per second, from the first that is over to the last: the start of the workers does not count."""
    total = begun_with = left()
    while begun_with == total:
        begun_with = _next(left, worker)
    began = time.perf_counter()
    while _next(left, worker):
        pass
    return round(begun_with / (time.perf_counter() - began), 1)


def _next(left: Callable[[], int], worker: subprocess.Popen[bytes]) -> int:
    assert worker.poll() is None, "the worker has ended"
    time.sleep(LOOK_SECONDS)
    return left()


if __name__ == "__main__":
    main()
