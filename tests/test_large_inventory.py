"""The inventory of a large bucket, from a synthetic S3: little memory, few queries, through a kill in the middle."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import databases
from tests.listing import PAGE, list_server
from tests.stack import ROOT, wait_for

CODE = "tests.inventory_process"
PREPARE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from media_catalog.models import Bucket, RequestLimit
RequestLimit.objects.update(limit=1_000_000)
print(Bucket.objects.create(name="large", role="%s").pk)
"""
FINDINGS_SECONDS = 240  # for 100,000: six times what two busy cores took, a fraction of what a plan by the square takes


def environment(url: str, endpoint: str, data_dir: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_", "COV"))},
        "DJANGO_SETTINGS_MODULE": "backoffice.settings.development",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "DATABASE_URL": url,
        "DATA_DIR": str(data_dir),
        "DEBUG": "false",
        "SECRET_KEY": "x",
    }


def run(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare(env: dict[str, str], role: str) -> str:
    """The id of the bucket."""
    return run(env, "manage.py", "shell", "-v0", "-c", PREPARE % role).strip()


@pytest.mark.parametrize("count", [pytest.param(10_000, id="10,000"), pytest.param(100_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_memory_queries_and_requests_through_a_kill(tmp_path, count, vendor):
    with databases.empty(vendor, tmp_path) as url, list_server() as server:
        server.keys = [f"folder-{number % 97}/{number:07}.jpg" for number in range(count)]
        env = environment(url, server.url, tmp_path)
        bucket = prepare(env, "general")
        pages = count // PAGE

        first = subprocess.Popen([sys.executable, "-m", CODE, bucket], cwd=ROOT, env=env)
        wait_for(lambda: len(server.lists) > pages // 2, 60)
        first.kill()
        first.wait()
        [(seen,)] = databases.query(url, "SELECT count(*) FROM media_catalog_inventoryobject")
        assert 0 < seen < count
        [(kept,)] = databases.query(url, "SELECT entries FROM media_catalog_scan")
        assert kept == seen  # the place was saved with the rows
        done = json.loads(run(env, "-m", CODE, bucket, "one"))

        figures = {**done, "lists": len(server.lists), "resumed with": count - kept}
        print(figures)  # noqa: T201
        assert done["state"] == "done"
        assert len(server.lists) <= pages + 1  # the page that the kill cut off is listed again
        assert done["upserts"] * 500 <= count - kept
        assert done["statements"] <= (count - kept) / 500 + 30  # the end, and the look for discrepancies
        assert done["peak"] <= 120, figures
        assert databases.query(url, "SELECT count(*) FROM media_catalog_inventoryobject") == [(count,)]
        assert databases.query(url, "SELECT object_count, entry_count FROM media_catalog_bucket") == [(count, count)]


@pytest.mark.soak
@pytest.mark.timeout(2 * FINDINGS_SECONDS)
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_as_many_findings_while_the_database_has_no_statistics(tmp_path, vendor):
    """As after a first inventory: the catalogue knows none of the objects, and nothing has analysed the tables."""
    count = 100_000
    with databases.empty(vendor, tmp_path) as url, list_server() as server:
        server.keys = [f"folder-{number % 97}/{number:07}.jpg" for number in range(count)]
        env = environment(url, server.url, tmp_path)
        bucket = prepare(env, "originals")
        if vendor == "postgresql":
            for table in ("inventoryobject", "finding"):
                databases.query(url, f"ALTER TABLE media_catalog_{table} SET (autovacuum_enabled = false)")
        before = time.monotonic()
        done = json.loads(run(env, "-m", CODE, bucket))
        seconds = time.monotonic() - before

        print({**done, "seconds": seconds})  # noqa: T201
        assert done["state"] == "done"
        assert databases.query(url, "SELECT state, count(*) FROM media_catalog_finding GROUP BY state") == [
            ("once", count)
        ]
        assert seconds <= FINDINGS_SECONDS
        assert done["peak"] <= 120
