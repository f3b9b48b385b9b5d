"""Processes that do everything to the same rows at once: `python -m tests.quota.minglers <processes> <rounds>`.

Prints as JSON how many requests each was granted. A process that meets a deadlock fails.
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import django

FORK = multiprocessing.get_context("fork")
UNITS = {"s3_tier1": 400, "s3_tier2": 100, "rekognition_image": 30}
OPERATIONS = [("s3", "PutObject"), ("s3", "GetObject"), ("rekognition", "DetectFaces")]


def main(processes: int, rounds: int) -> None:
    django.setup()
    from django.db import connection

    from media_catalog.quota import reservations

    shared = reservations.reserve(kind="job", units=UNITS, seconds=600, bulk=True).pk
    connection.close()
    with ProcessPoolExecutor(processes, mp_context=FORK) as pool:
        work = [pool.submit(_mingle, number, rounds, shared) for number in range(processes)]
        counts = [each.result() for each in work]
    reservations.close(shared)
    sys.stdout.write(json.dumps(counts))


def _mingle(number: int, rounds: int, shared: int) -> int:
    from media_catalog.quota import meter, reservations

    for turn in range(rounds):
        order = OPERATIONS if (number + turn) % 2 else OPERATIONS[::-1]
        with meter.leasing(shared):
            for operation in order * 3:
                meter.spend(*operation)
        for operation in order:
            meter.spend(*operation)
        units = dict(list(UNITS.items())[:: 1 if turn % 2 else -1])
        own = reservations.reserve(kind="upload", units=units, seconds=600, bulk=False).pk
        with meter.leasing(own):
            for operation in order:
                meter.spend(*operation)
        reservations.close(own)
        reservations.sweep()
    return rounds * 15


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
