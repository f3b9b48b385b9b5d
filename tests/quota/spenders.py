"""Processes that spend at the same time: `python -m tests.quota.spenders <processes> <requests of each>`.

Prints as JSON how many requests each was granted. DATABASE_URL names the database.
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

import django

# Forked after the set-up and before any connection: eight set-ups would take longer than the race.
FORK = multiprocessing.get_context("fork")


def main(processes: int, requests: int) -> None:
    django.setup()
    start = FORK.Barrier(processes)
    with ProcessPoolExecutor(processes, mp_context=FORK, initializer=_wait_for, initargs=(start,)) as pool:
        granted = list(pool.map(_spend, [requests] * processes))
    sys.stdout.write(json.dumps(granted))


def _wait_for(start: Barrier) -> None:
    """No process begins before all are there."""
    start.wait(30)


def _spend(requests: int) -> int:
    # Models can be imported only after the set-up.
    from media_catalog.exceptions import QuotaRefused
    from media_catalog.quota import meter

    granted = 0
    for _request in range(requests):
        try:
            meter.spend("s3", "PutObject")
        except QuotaRefused:
            continue
        granted += 1
    return granted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
