"""Processes that send at the same time: `python -m tests.quota.racers <processes> <most of each> <killed after>`.

Each sends HEAD requests through the gateway, leasing, until it is refused or has sent so many. With `killed after`
above 0, half of the processes die by SIGKILL once about so many requests were sent in all. Prints as JSON how many
requests each of the others was granted. The environment names the database, the endpoint and the sizes of blocks.
"""

import functools
import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import botocore.session
import django

FORK = multiprocessing.get_context("fork")


def main(processes: int, most: int, killed_after: int) -> None:
    django.setup()
    from media_catalog.aws.client import client

    # The JSON that describes S3 is read once, before the fork.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    client("s3")
    start, sent = FORK.Barrier(processes + 1), FORK.RawValue("i", 0)
    read, write = os.pipe()  # a queue has a lock, which a killed process could take to the grave
    racers = [FORK.Process(target=_race, args=(most, start, sent, write)) for _number in range(processes)]
    for racer in racers:
        racer.start()
    start.wait(60)
    doomed = racers[::2] if killed_after else []
    while doomed and sent.value < killed_after:
        time.sleep(0.002)
    for racer in doomed:
        os.kill(racer.pid or 0, signal.SIGKILL)
    for racer in racers:
        racer.join()
    os.close(write)
    with open(read) as lines:
        counts = [int(line) for line in lines]
    sys.stdout.write(json.dumps({"granted": counts, "killed": [racer.exitcode for racer in doomed]}))


def _race(most: int, start: Barrier, sent: Any, granted: int) -> None:
    from media_catalog.aws import s3
    from media_catalog.exceptions import QuotaRefused
    from media_catalog.quota import meter

    start.wait(60)
    count = 0
    with meter.leasing():
        try:
            while count < most:
                s3.head_object("photos", "a.jpg")
                count += 1
                sent.value += 1
        except QuotaRefused:
            pass
    os.write(granted, f"{count}\n".encode())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
