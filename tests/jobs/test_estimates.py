"""The estimate of jobs without images, held against what their items and the server count."""

import random
import secrets

import pytest

from media_catalog import jobs
from media_catalog.models import Bucket, Job, RequestCounter, StoredFile, TrashedObject
from media_catalog.services import files, trash_objects
from tests.admin.buckets import new_bucket, put
from tests.pictures import upload_file

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def place(cloud) -> Bucket:
    return new_bucket()


def _named(count: int) -> list[str]:
    return [f"folder {number % 3}/{number}.txt" for number in range(count)]


def _written(place: Bucket, count: int) -> list[str]:
    for key in _named(count):
        put(place, key)
    return _named(count)


def _trash_objects(place: Bucket, count: int) -> dict:
    return {"bucket": place.pk, "keys": _written(place, count), "run": secrets.token_hex(16)}


def _in_trash(place: Bucket, count: int) -> dict:
    run = secrets.token_hex(16)
    trash_objects.move_objects(bucket=place, keys=_written(place, count), run=run, settled=set())
    assert TrashedObject.objects.filter(run=run).here().count() == count
    return {"run": run, "count": count}


def _remove_files(place: Bucket, count: int) -> dict:
    for number in range(count):
        file = upload_file(b"content", f"{number}.txt")
        files.store(file=file, name=f"{number}.txt", description="what it is", bucket=place, user=None)
    return {"files": list(StoredFile.objects.values_list("pk", flat=True)), "run": secrets.token_hex(16)}


def _sync_inventory(place: Bucket, count: int) -> dict:
    _written(place, count)
    return {"bucket": place.pk, "run": secrets.token_hex(8)}


KINDS = {
    "trash_objects": _trash_objects,
    "restore": _in_trash,
    "purge": _in_trash,
    "remove_files": _remove_files,
    "sync_inventory": _sync_inventory,
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_estimate_is_what_is_measured(place, work, cloud, admin_user, kind, seed):
    count = 1 if seed == 0 else random.Random(seed).randint(2, 9)
    options = KINDS[kind](place, count)
    mark = cloud.access_log.mark()

    job = jobs.start(kind=kind, user=admin_user, options=options)
    work()

    item = Job.objects.get(pk=job.pk).items.get()
    assert item.state == "done", item.message
    assert item.requests == {name: units for name, units in job.estimate.items() if units}
    assert sum(item.requests.values()) == sum(cloud.access_log.operations(mark).values())
    for row in RequestCounter.objects.all():
        assert (row.leased, row.reserved) == (0, 0)
