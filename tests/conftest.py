"""What the tests share: a local cloud with buckets of the test's own, pictures, and the worker's part."""

import functools
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore.retries.standard import ExponentialBackoff
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.cache import caches

from localcloud.process import RunningCloud
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.jobs.runner import run_chunk
from media_catalog.models import Bucket, Image, Job, JobItem, RequestLimit
from media_catalog.services import uploads
from tests.cloud import local_cloud
from tests.committing import keep_shipped_rows, rows_of_migrations, shipped_rows
from tests.flush import flush_guarded_tables
from tests.moto import CLOUDS, EXCEPTIONS, Moto, exceptions_of, moto, runs_on_both
from tests.pictures import jpeg, upload_file

__all__ = ["flush_guarded_tables", "keep_shipped_rows", "local_cloud", "moto", "rows_of_migrations", "shipped_rows"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks S3 for something asks two that were written by different people."""
    if "cloud" in metafunc.fixturenames and runs_on_both(metafunc.definition.nodeid):
        metafunc.parametrize("cloud", CLOUDS, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in exceptions_of(item):
            item.add_marker(pytest.mark.xfail(reason=f"moto: {EXCEPTIONS[name]}", strict=True))


@pytest.fixture(scope="session", autouse=True)
def _quick_clients() -> Iterator[None]:
    """Made anew for each test, without reading the JSON that describes the services each time; retries come at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        patch.setattr(ExponentialBackoff, "delay_amount", lambda backoff, context: 0.01)
        yield


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    _clear_caches()
    yield
    _clear_caches()


def _clear_caches() -> None:
    for name in settings.CACHES:
        caches[name].clear()


@pytest.fixture
def cloud(request: pytest.FixtureRequest, settings) -> Iterator[RunningCloud | Moto]:
    """The local cloud as the application's AWS; for the suite of tests/moto.py the other one as well."""
    running = request.getfixturevalue({"local": "local_cloud", "moto": "moto"}[getattr(request, "param", "local")])
    if isinstance(running, Moto):
        running.forget()
    settings.AWS_ENDPOINT_URL = running.endpoint_url
    forget_clients()
    yield running
    forget_clients()


@pytest.fixture
def line_end(cloud: RunningCloud | Moto) -> str:
    """For a key that few programs expect. Moto's routes match none: there it is a tab."""
    return "\t" if isinstance(cloud, Moto) else "\n"


@pytest.fixture
def originals(cloud: RunningCloud | Moto, db: None) -> Bucket:
    """An empty bucket for originals, paired with one for renditions. Limits are out of the way."""
    RequestLimit.objects.update(limit=1_000_000)
    name = f"originals-{secrets.token_hex(6)}"
    for bucket in (name, f"{name}-resized"):
        s3.create_bucket(bucket, region="us-east-1")
    renditions = Bucket.objects.create(name=f"{name}-resized", role=Bucket.Role.RENDITIONS, region="us-east-1")
    return Bucket.objects.create(
        name=name, role=Bucket.Role.ORIGINALS, region="us-east-1", renditions_bucket=renditions
    )


@pytest.fixture
def store(originals: Bucket) -> Callable[..., Image]:
    """Upload a picture as the application does."""

    def _store(body: bytes | None = None, *, name: str = "photo.jpg", user: User | None = None) -> Image:
        file = upload_file(body if body is not None else jpeg(), name)
        return uploads.store(file=file, name=name, caption="", bucket=originals, user=user)

    return _store


@pytest.fixture
def work() -> Callable[[], None]:
    """Do what the workers would: run all items that wait."""

    def _work() -> None:
        for job in Job.objects.exclude(state=Job.State.FINISHED):
            waiting = job.items.filter(state=JobItem.State.QUEUED).values_list("pk", flat=True)
            run_chunk(job.pk, list(waiting))

    return _work


@pytest.fixture
def staff_with(db: None) -> Callable[..., User]:
    """A member of staff with these permissions of the catalogue alone."""

    def _staff_with(*codenames: str) -> User:
        user = User.objects.create_user(f"staff-{secrets.token_hex(3)}", is_staff=True)
        permissions = Permission.objects.filter(content_type__app_label="media_catalog", codename__in=codenames)
        assert permissions.count() == len(codenames)
        user.user_permissions.set(permissions)
        return user

    return _staff_with


@pytest.fixture
def instead_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], None]]:
    """Have this shell command run where this process would start a Python, such as the one that decodes a TIFF.

    Answers what ends it.
    """
    program, python = tmp_path / "python", sys.executable

    def _run(command: str) -> Callable[[], None]:
        program.write_text(f"#!/bin/sh\n{command}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return lambda: monkeypatch.setattr(sys, "executable", python)

    return _run


@pytest.fixture
def memory_is_back(instead_of_python: Callable[[str], Callable[[], None]]) -> Callable[[], None]:
    """Until this is called, the machine kills each process that is to decode a TIFF."""
    return instead_of_python("kill -9 $$")
