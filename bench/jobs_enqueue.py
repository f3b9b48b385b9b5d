"""A part of bench/jobs.py: how long it takes to hand over many images. `ours` or `stock`, and how many."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import surroundings

VERSION = surroundings.set_up()

import jobs_rows
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from django_q.tasks import async_task
from jobs_nothing import TASK

from media_catalog import jobs
from media_catalog.models import JobItem


def main() -> None:
    side, count = sys.argv[1], int(sys.argv[2])
    print(json.dumps({"ours": ours, "stock": stock}[side](count)))


def ours(count: int) -> dict[str, Any]:
    """One job; its items are on their way to the workers at the end. Queries with BEGIN and COMMIT."""
    ids = jobs_rows.images(count)
    with CaptureQueriesContext(connection) as queries:
        jobs.start(kind="make_renditions", user=None, images=ids)
    seconds = _seconds(lambda: jobs.start(kind="make_renditions", user=None, images=ids))
    dispatched = JobItem.objects.filter(dispatched_at__isnull=False).count()
    assert dispatched == 2 * count, f"{dispatched} items were dispatched"
    return {"version": VERSION, "seconds": seconds, "queries": len(queries), "tasks": OrmQ.objects.count() // 2}


def stock(count: int) -> dict[str, Any]:
    """One task for each image, and the same inside one transaction."""
    seconds = _seconds(lambda: _one_by_one(count))
    with transaction.atomic():
        in_one_transaction = _seconds(lambda: _one_by_one(count))
    assert OrmQ.objects.count() == 2 * count
    return {"seconds": seconds, "in_one_transaction": in_one_transaction}


def _one_by_one(count: int) -> None:
    for number in range(count):
        async_task(TASK, number)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    main()
