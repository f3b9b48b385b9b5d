"""deploy/backup.sh and restore.sh bring a database back as it was."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.backoffice.webserver import production
from tests.stack import ROOT

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
SERVER = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
TABLES = "SELECT relname FROM pg_stat_user_tables ORDER BY relname"


@pytest.fixture
def databases() -> Iterator[tuple[str, str]]:
    """Addresses of two empty ones."""
    assert shutil.which("pg_dump"), "apt-get install postgresql-client"
    names = [f"backup_{secrets.token_hex(6)}" for _number in range(2)]
    with psycopg.connect(SERVER, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}")
        first, second = (f"{SERVER.rpartition('/')[0]}/{name}" for name in names)
        yield first, second
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def manage(tmp_path):
    def _manage(database: str, *arguments: str) -> None:
        environment = production(tmp_path / secrets.token_hex(4), database)
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(
            command, cwd=ROOT, env=environment | {"DJANGO_SUPERUSER_PASSWORD": "a-long-password"}, check=True
        )

    return _manage


def _script(name: str, database: str, file) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "deploy" / name, file],
        env=os.environ | {"DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )


def _rows(database: str) -> dict[str, list[tuple]]:
    with psycopg.connect(database) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        every = sql.SQL("SELECT t::text FROM {} t")
        return {name: sorted(connection.execute(every.format(sql.Identifier(name)))) for name in names}


def test_what_was_there_is_there_again_and_the_product_takes_it(databases, manage, tmp_path):
    before, after = databases
    manage(before, "release", "--verbosity=0")
    manage(before, "createsuperuser", "--noinput", "--username=ada", "--email=")
    file = tmp_path / "backup"

    assert _script("backup.sh", before, file).returncode == 0
    assert _script("restore.sh", after, file).returncode == 0

    assert len(_rows(before)["auth_user"]) == 1
    assert _rows(after) == _rows(before)
    manage(after, "migrate", "--check")


def test_a_backup_is_whole_for_its_owner_alone_and_never_written_over(databases, tmp_path):
    before, _after = databases
    file = tmp_path / "backup"
    assert _script("backup.sh", before, file).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    held = file.read_bytes()

    again = _script("backup.sh", before, file)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert file.read_bytes() == held

    failed = _script("backup.sh", f"{before}_not_there", tmp_path / "other")
    assert failed.returncode != 0
    assert not (tmp_path / "other").exists()


def test_a_database_that_is_not_empty_is_left_as_it_is(databases, manage, tmp_path):
    before, after = databases
    for database in databases:
        manage(database, "release", "--verbosity=0")
    file = tmp_path / "backup"
    _script("backup.sh", before, file)
    manage(after, "createsuperuser", "--noinput", "--username=grace", "--email=")
    kept = _rows(after)

    done = _script("restore.sh", after, file)

    assert done.returncode != 0
    assert "already exists" in done.stderr
    assert _rows(after) == kept
