"""An inventory in a process of its own: `python -m tests.inventory_process BUCKET_ID [RUN]`. Its figures are JSON.

With a run it starts no job but does what a worker would after the death of the one that had it.
"""

import json
import sys
from pathlib import Path

import django


def main(bucket: int, *resumed: str) -> None:
    django.setup()
    from django.db import connection

    from media_catalog import jobs
    from media_catalog.jobs import recovery
    from media_catalog.jobs.runner import run_chunk
    from media_catalog.models import JobItem

    counts = {"upserts": 0, "statements": 0}  # of rows of the inventory; of these and of the scan

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        counts["statements"] += "media_catalog_inventoryobject" in sql or "media_catalog_scan" in sql
        counts["upserts"] += sql.startswith('INSERT INTO "media_catalog_inventoryobject"')
        return execute(sql, params, many, context)

    if resumed:
        recovery.recover()
    else:
        jobs.start(kind="sync_inventory", user=None, options={"bucket": bucket, "run": "one"})
    with connection.execute_wrapper(count):
        while waiting := list(JobItem.objects.filter(state="queued").values_list("job", "pk")):
            for job, item in waiting:
                JobItem.objects.filter(pk=item).update(not_before=None)
                run_chunk(job, [item])
    item = JobItem.objects.get()
    # Of this program alone: what getrusage tells begins with the memory of the process that started it.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024  # MiB
    print(json.dumps({**counts, "peak": peak, "state": item.state, "message": item.message}))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
