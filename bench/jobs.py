"""Our jobs against django-q2 with its own settings: `python bench/jobs.py`. About twenty minutes.

In one run: handing over 10,000 images, on SQLite and on PostgreSQL (QUOTA_BENCH_POSTGRES, a server where databases may
be made); real workers with items that do nothing, on PostgreSQL; and what a job adds to the CPU time of the pixels,
with 200 photographs on the local cloud (and Redis at REDIS_URL). Writes bench/results/jobs.json.
"""

import argparse
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import surroundings

sys.path.append(str(surroundings.ROOT))

from localcloud.process import Account, running

OURS, STOCK = "jobs_idle", "jobs_stock"  # settings


def main() -> None:
    options = _options()
    results: dict[str, Any] = {
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": surroundings.machine() | {"django-q2": version("django-q2"), "boto3": version("boto3")},
    }
    for name in surroundings.DATABASES:
        results[f"pipeline_{name}"] = _pipeline(name, options.photographs)
    results["throughput"] = _throughput(options.items, options.rounds)
    for name in surroundings.DATABASES:
        results[f"enqueue_{name}"] = _enqueue(name, options.images)
    surroundings.save("jobs", results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photographs", type=int, default=200)
    return parser.parse_args()


def _enqueue(database: str, count: int) -> dict[str, Any]:
    with surroundings.DATABASES[database]() as url:
        ours = surroundings.run("jobs_enqueue.py", "ours", count, database=url, settings=OURS)
    with surroundings.DATABASES[database]() as url:
        stock = surroundings.run("jobs_enqueue.py", "stock", count, database=url, settings=STOCK)
    ratio = round(stock["seconds"] / ours["seconds"], 1)
    print(
        f"{count:,} images handed over, {database}: ours {ours['seconds']} s, {ours['queries']} queries;"
        f" one by one {stock['seconds']} s ({stock['in_one_transaction']} s in one transaction): {ratio} ×"
    )
    return {"version": ours.pop("version"), "images": count, "ours": ours, "stock": stock, "ratio": ratio}


def _throughput(count: int, rounds: int) -> dict[str, Any]:
    """In turns, because the machine is not the same from one minute to the next."""
    rates: dict[str, list[float]] = {"ours": [], "stock": []}
    for _round in range(rounds):
        for side, settings in (("ours", OURS), ("stock", STOCK)):
            with surroundings.postgres() as url:
                rate = surroundings.run("jobs_throughput.py", side, count, database=url, settings=settings)
            rates[side].append(rate)
    ours, stock = rates["ours"], rates["stock"]
    ratio = round(statistics.median(ours) / statistics.median(stock), 1)
    print(f"{count:,} items that do nothing, PostgreSQL: ours {ours}, stock {stock} items per second: {ratio} ×")
    return {"items": count, "ours_per_second": ours, "stock_per_second": stock, "ratio": ratio}


def _pipeline(database: str, count: int) -> dict[str, Any]:
    # The credentials that the tests' settings put into the environment.
    account = Account(access_key_id="testing", secret_access_key="testing-secret")  # noqa: S106
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), account=account) as cloud,
        surroundings.DATABASES[database]() as url,
    ):
        measured: dict[str, Any] = surroundings.run(
            "jobs_pipeline.py", count, database=url, settings="jobs_ours", environment=cloud.environment
        )
    print(
        f"photographs of {measured['mean_bytes'] / 1e6:.1f} MB in {measured['chunks']} chunks, {database}:"
        f" {measured['job_ms']} ms of CPU each, of pixels alone {measured['pixels_ms']} ms:"
        f" {measured['overhead_percent']} % more"
    )
    return measured


if __name__ == "__main__":
    main()
