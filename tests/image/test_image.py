"""The image: what is in it, and that web, worker and one-off tasks run from it as on ECS."""

import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.backoffice.webserver import HOST, get
from tests.image.podman import BASE, IMAGE, Podman
from tests.stack import wait_for

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]
WORK = Path(os.environ.get("IMAGE_CHECK_DIR", "/var/tmp/backoffice-image"))
SERVER = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def podman() -> Podman:
    """With the image of this checkout."""
    built = Podman(WORK)
    built.build()
    return built


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    name = f"image_{secrets.token_hex(6)}"
    with psycopg.connect(SERVER, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"{SERVER.rpartition('/')[0]}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def environment(database, local_cloud) -> dict[str, str]:
    """Production settings, PostgreSQL, Redis, the local cloud, and a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    return {
        **local_cloud.environment,
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": HOST,
        "DATABASE_URL": database,
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "WEB_BIND": bind,
        **{f"BUCKET_{role}": f"image-{role.lower()}" for role in ("ORIGINALS", "RENDITIONS", "STATIC")},
    }


@pytest.fixture(scope="module")
def released(podman, environment) -> dict[str, str]:
    """The environment, after the release task."""
    podman.run(environment, "python", "manage.py", "release")
    return environment


def test_is_at_most_250_megabytes_above_its_base(podman):
    base, whole = podman.size(BASE), podman.size(IMAGE)
    print(f"\nimage: {(whole - base) / MEGABYTE:.0f} MB above its base of {base / MEGABYTE:.0f} MB")  # noqa: T201
    assert whole - base <= 250 * MEGABYTE


def test_has_no_compiler_no_pip_and_nothing_of_development(podman):
    script = "for name in cc gcc g++ make pip; do command -v $name; done; ls /app; ls /venv/lib/python3*/site-packages"
    found = podman.run({}, "sh", "-c", script).stdout.split()

    assert "backoffice" in found
    assert "django" in found
    assert not {"cc", "gcc", "make", "pip", "localcloud", "tests", "pytest", "ministack"} & {
        Path(name).name for name in found
    }


def test_runs_as_nobody_in_particular_on_a_file_system_that_cannot_be_written_to(podman):
    script = "id -u; grep CapEff /proc/self/status; touch /tmp/here && echo written; touch /app/there"
    done = podman.run({}, "sh", "-c", script, check=False)

    assert done.stdout.split() == ["10001", "CapEff:", "0000000000000000", "written"]
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("command", [(), ("python", "manage.py", "worker")], ids=["web", "worker"])
def test_stops_and_names_what_is_missing(podman, environment, command, name):
    given = {key: value for key, value in environment.items() if key != name}
    done = podman.run(given, *command, check=False)

    assert done.returncode != 0
    assert name in done.stderr.splitlines()[-1]


def test_docker_is_told_how_to_ask_for_the_health_of_the_web_process(podman, environment):
    """On the port of the image, without a network: it needs none."""
    [kind, *check] = json.loads(podman("image", "inspect", "--format={{json .Config.Healthcheck.Test}}", IMAGE).stdout)
    name = f"health-{secrets.token_hex(4)}"
    given = {key: value for key, value in environment.items() if key != "WEB_BIND"}
    podman.start(name, given, network="none")
    try:
        wait_for(lambda: podman("exec", name, *check, check=False).returncode == 0, 60)
        podman("exec", name, "sh", "-c", "kill -STOP -1")
        stopped = podman("exec", name, *check, check=False)
    finally:
        podman("rm", "--force", "--time=0", name)
    assert (kind, stopped.returncode) == ("CMD", 1)


def test_the_release_may_be_repeated(podman, released):
    podman.run(released, "python", "manage.py", "release")


def test_the_web_task_serves_and_stops(podman, released):
    name = f"web-{secrets.token_hex(4)}"
    podman.start(name, released)
    url = f"http://{released['WEB_BIND']}"
    try:
        wait_for(lambda: _ready(url), 60)
        assert get(f"{url}/healthz", host="10.20.1.17", proto="http")[0] == 200
        status, page = get(f"{url}/admin/login/")
        assert (status, "/static/admin/css/base." in page) == (200, True)
        status, seconds = podman.stop(name)
    finally:
        podman("rm", "--force", name)
    print(f"\nweb stopped in {seconds:.1f} s")  # noqa: T201
    assert (status, seconds < 10) == (0, True)


def test_the_worker_works_and_stops(podman, released):
    podman.run(released, "python", "manage.py", "create_buckets")
    name = f"worker-{secrets.token_hex(4)}"
    podman.start(name, released, "python", "manage.py", "worker")
    try:
        # The command of the container's health check.
        wait_for(lambda: _in_container(podman, name, "worker_health") == 0, 90)
        wait_for(lambda: "The queue delivers." in _schedules(released), 120)
        lines = [json.loads(line) for line in podman("logs", name).stderr.splitlines()]
        assert any("QueueAge" in line for line in lines)
        status, seconds = podman.stop(name)
    finally:
        podman("rm", "--force", name)
    print(f"\nworker stopped in {seconds:.1f} s")  # noqa: T201
    assert (status, seconds < 10) == (0, True)


def _ready(url: str) -> bool:
    try:
        return get(f"{url}/readyz")[0] == 200
    except OSError:
        return False


def _in_container(podman: Podman, name: str, command: str) -> int:
    return podman("exec", name, "python", "manage.py", command, check=False).returncode


def _schedules(environment: dict[str, str]) -> str:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        return str(connection.execute("SELECT result FROM media_catalog_schedulerun").fetchall())
