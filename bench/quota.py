"""How fast the meter counts: `python bench/quota.py [--seconds 10] [--processes 8]`.

On SQLite and on PostgreSQL (QUOTA_BENCH_POSTGRES, a server where databases may be made), in one run: one conditional
UPDATE for each request, as counters are commonly kept, against our meter with one lease for each process, with
a lease for every 100 requests, and in chunks of a job, and whether the cap holds. Nothing is sent. Writes
bench/results/quota.json.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any

import surroundings

FORK = multiprocessing.get_context("fork")
NO_CAP = 10**12
CAP = 20_000
SHORT = 100
CHUNK = 60  # PUTs of the renditions of ten images
Work = Callable[[float], tuple[int, list[int]]]


def main() -> None:
    options = _options()
    if options.inside:
        print(json.dumps(_measure(options.seconds, options.processes)))
        return
    results = {
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": surroundings.machine(),
        "processes": options.processes,
        "seconds": options.seconds,
    }
    for name, database in surroundings.DATABASES.items():
        with database() as url:
            results[name] = _in_database(url, options)
        _report(name, results[name])
    surroundings.save("quota", results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_database(url: str, options: argparse.Namespace) -> dict[str, Any]:
    arguments = ("--inside", f"--seconds={options.seconds}", f"--processes={options.processes}")
    measured: dict[str, Any] = surroundings.run("quota.py", *arguments, database=url)
    return measured


def _measure(seconds: float, processes: int) -> dict[str, Any]:
    version = surroundings.set_up()
    from django.conf import settings

    _set_limit(NO_CAP)
    stock = _throughput(_update_each, seconds, processes)
    _set_limit(NO_CAP)
    meter = _throughput(_spend_leased, seconds, processes)
    _set_limit(NO_CAP)
    short = _throughput(_spend_short_leases, seconds, processes)
    _set_limit(NO_CAP)
    chunks = _throughput(partial(_spend_in_chunks, _reserve_for_a_job()), seconds, processes)
    _set_limit(CAP)
    return {
        "version": version,
        "block_size": settings.QUOTA_BLOCK_SIZE,
        "one_update_per_request": stock,
        "meter_with_leases": meter,
        "meter_with_short_leases": short,
        "meter_in_chunks_of_a_job": chunks,
        "ratio": round(meter["requests_per_second"] / stock["requests_per_second"], 1),
        "cap": _cap_check(processes),
    }


def _set_limit(limit: int) -> None:
    from django.db import connection

    from media_catalog.models import RequestCounter, RequestLimit
    from media_catalog.quota import periods

    RequestLimit.objects.all().delete()
    RequestLimit.objects.create(request_class="s3_tier2", period="month", limit=limit)
    RequestCounter.objects.all().delete()
    today = datetime.now(tz=UTC).date()
    for period in ("day", "month"):
        RequestCounter.objects.create(request_class="s3_tier2", period=period, starts=periods.starts(period, today))
    connection.close()  # a connection does not survive a fork


def _throughput(work: Work, seconds: float, processes: int) -> dict[str, float]:
    answers = _run(work, seconds, processes)
    delays = sorted(delay for _count, each in answers for delay in each)
    count = sum(count for count, _delays in answers)
    assert count == _used(), "the counter tells another number than the processes"
    return {
        "requests_per_second": round(count / seconds),
        "median_ms": round(statistics.median(delays) / 1e6, 4),
        "p99_ms": round(delays[len(delays) * 99 // 100] / 1e6, 4),
        "worst_ms": round(delays[-1] / 1e6, 1),
    }


def _cap_check(processes: int) -> dict[str, Any]:
    granted = sum(count for count, _delays in _run(_spend_leased, 60, processes))
    return {"cap": CAP, "granted": granted, "used": _used(), "exact": granted == CAP == _used()}


def _run(work: Work, seconds: float, processes: int) -> list[tuple[int, list[int]]]:
    """What each process did, all beginning at once."""
    start = FORK.Barrier(processes)
    answers = FORK.SimpleQueue()
    workers = [FORK.Process(target=_worker, args=(work, seconds, start, answers)) for _number in range(processes)]
    for worker in workers:
        worker.start()
    found = [answers.get() for _worker in workers]
    for worker in workers:
        worker.join()
    return found


def _worker(work: Work, seconds: float, start: Barrier, answers: Any) -> None:
    from django.db import connection

    connection.ensure_connection()
    start.wait(60)
    answers.put(work(seconds))


def _update_each(seconds: float) -> tuple[int, list[int]]:
    from django.db.models import F

    from media_catalog.models import RequestCounter

    counter = RequestCounter.objects.get(period="month")
    rows = RequestCounter.objects.filter(pk=counter.pk, used__lt=NO_CAP)
    return _timed(lambda: bool(rows.update(used=F("used") + 1)), seconds)


def _spend_leased(seconds: float) -> tuple[int, list[int]]:
    from media_catalog.exceptions import QuotaRefused
    from media_catalog.quota import meter

    def spend() -> bool:
        try:
            meter.spend("s3", "GetObject")
        except QuotaRefused:
            return False
        return True

    with meter.leasing():
        return _timed(spend, seconds)


def _spend_short_leases(seconds: float) -> tuple[int, list[int]]:
    """A lease for every SHORT requests, without a reservation: most of its blocks are small."""
    from media_catalog.quota import meter

    return _timed_leases(meter.leasing, SHORT, seconds)


def _reserve_for_a_job() -> int:
    from django.db import connection

    from media_catalog.quota import reservations

    units = {"s3_tier2": NO_CAP // 2}
    reservation = reservations.reserve(kind="job", units=units, seconds=3600, bulk=True)
    connection.close()  # a connection does not survive a fork
    return reservation.pk


def _spend_in_chunks(reservation: int, seconds: float) -> tuple[int, list[int]]:
    """A lease for every chunk of a job, out of what all its workers share: one block, of what the chunk needs."""
    from media_catalog.quota import meter

    return _timed_leases(partial(meter.leasing, reservation, needs={"s3_tier2": CHUNK}), CHUNK, seconds)


def _timed_leases(
    lease: Callable[[], AbstractContextManager[None]], requests: int, seconds: float
) -> tuple[int, list[int]]:
    """As `_timed`, for so many requests in each lease."""
    from media_catalog.quota import meter

    clock = time.perf_counter_ns
    delays = []
    until = clock() + int(seconds * 1e9)
    while (before := clock()) < until:
        with lease():
            for _request in range(requests):
                meter.spend("s3", "GetObject")
                delays.append(clock() - before)
                before = clock()
    return len(delays), delays


def _timed(request: Callable[[], bool], seconds: float) -> tuple[int, list[int]]:
    """How many requests were granted, until time is over or one is refused, and the nanoseconds that each took."""
    clock = time.perf_counter_ns
    delays = []
    until = clock() + int(seconds * 1e9)
    before = clock()
    while before < until and request():
        after = clock()
        delays.append(after - before)
        before = after
    return len(delays), delays


def _used() -> int:
    from media_catalog.models import RequestCounter

    counter = RequestCounter.objects.get(period="month")
    assert not counter.leased
    return counter.used


def _report(name: str, measured: dict[str, Any]) -> None:
    print(f"{name} {measured['version']}, blocks of up to {measured['block_size']}")
    for title in ("one_update_per_request", "meter_with_leases", "meter_with_short_leases", "meter_in_chunks_of_a_job"):
        figures = measured[title]
        print(
            f"  {title:24} {figures['requests_per_second']:>9,} requests/s"
            f"  median {figures['median_ms']:.4f} ms  p99 {figures['p99_ms']:.4f} ms  worst {figures['worst_ms']} ms"
        )
    cap = measured["cap"]
    print(f"  ratio {measured['ratio']} ×; cap {cap['cap']:,}: granted {cap['granted']:,}, used {cap['used']:,}")


if __name__ == "__main__":
    main()
