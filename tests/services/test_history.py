"""Findings that are over and scans that nothing needs are deleted after some time, and nothing else is."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.jobs import schedules
from media_catalog.models import Bucket, Finding, InventoryObject, Scan, ScheduleRun
from media_catalog.services import findings, history, inventory, reconcile
from tests.reconciling import images, listed

pytestmark = [pytest.mark.database, pytest.mark.django_db]
State, Action = Finding.State, Finding.Action
NOW = timezone.now()
LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket.objects.create(name="old", role=Bucket.Role.ORIGINALS)


def scans(bucket: Bucket, count: int, **fields: object) -> list[Scan]:
    facts = {"bucket": bucket, "state": Scan.State.COMPLETE, "started_at": LONG_AGO, **fields}
    return [Scan.objects.create(run=f"{bucket.pk}-{Scan.objects.count()}", **facts) for _scan in range(count)]


def find(scan: Scan, key: str, state: State = State.GONE, **fields: object) -> Finding:
    facts = {"bucket": scan.bucket, "kind": Finding.Kind.OBJECT_WITHOUT_ROW, "last_seen_at": LONG_AGO, **fields}
    return Finding.objects.create(scan=scan, key=key, state=state, **facts)


def test_what_is_over_for_long_goes(bucket):
    old, newest = scans(bucket, 2)
    for key, fields in {
        "gone": {},
        "deleted": {"state": State.RESOLVED, "action": Action.DELETE, "acted_at": LONG_AGO},
        "put back": {"state": State.RESOLVED, "action": Action.RESTORE, "acted_at": LONG_AGO, "quarantine_key": "q"},
    }.items():
        find(old, key, **fields)

    assert schedules.forget_history() == (3, 1)

    assert not Finding.objects.exists()
    assert list(Scan.objects.all()) == [newest]
    assert ScheduleRun.objects.get().result == "Deleted: 3 of the findings, 1 of the scans."


def test_what_is_there_lately_or_in_quarantine_stays_with_its_scan(bucket):
    old, _newest = scans(bucket, 2)
    kept = [
        find(old, "once", State.ONCE),
        find(old, "open", State.OPEN),
        find(old, "dismissed", State.DISMISSED, action=Action.DISMISS, acted_at=LONG_AGO),
        find(old, "seen lately", last_seen_at=NOW),
        find(old, "acted on lately", State.RESOLVED, action=Action.ADOPT, acted_at=NOW),
        find(old, "in quarantine", State.RESOLVED, action=Action.QUARANTINE, acted_at=LONG_AGO, quarantine_key="q"),
        find(old, "perhaps in quarantine", State.GONE, quarantine_key="q"),
    ]

    assert schedules.forget_history() == (0, 0)

    assert set(Finding.objects.all()) == set(kept)
    assert Scan.objects.count() == 2
    in_quarantine = [finding.key for finding in kept if findings.actions_for(finding) == {Action.RESTORE}]
    assert in_quarantine == ["in quarantine", "perhaps in quarantine"]


def test_the_inventory_stays_whole(bucket):
    """Rows refer to the scan that saw them last: the newest, one that is under way, or one before for what is gone."""
    images(bucket, ["gone.jpg"])
    first, second, third = (listed(bucket, keys) for keys in (["gone.jpg", "a"], ["a"], ["a", "b"]))
    reconcile.reconcile(bucket, run="look")
    reconcile.reconcile(bucket, run="look")
    [running] = scans(bucket, 1, state=Scan.State.RUNNING)
    InventoryObject.objects.filter(key="b").update(scan=running)
    Scan.objects.update(started_at=LONG_AGO)

    assert schedules.forget_history() == (0, 1)

    assert set(Scan.objects.all()) == {first, third, running}
    assert second not in Scan.objects.all()
    assert inventory.latest(bucket) == third
    assert set(InventoryObject.objects.values_list("key", "scan")) == {
        ("gone.jpg", first.pk),
        ("a", third.pk),
        ("b", running.pk),
    }


def test_scans_of_lately_and_those_without_a_successor_stay(bucket):
    other = Bucket.objects.create(name="never-to-the-end")
    scans(other, 1, state=Scan.State.REPLACED)
    scans(other, 1, state=Scan.State.RUNNING)
    scans(bucket, 1, started_at=NOW - timedelta(days=300))
    scans(bucket, 1)

    assert schedules.forget_history() == (0, 0)
    assert Scan.objects.count() == 4


def test_how_long_is_a_setting(bucket, settings):
    find(scans(bucket, 1)[0], "gone")
    settings.FINDING_KEEP_DAYS = 401
    assert schedules.forget_history() == (0, 0)
    settings.FINDING_KEEP_DAYS = 399
    assert schedules.forget_history() == (1, 0)


def test_many_go_in_batches_of_two_queries_each(bucket, monkeypatch):
    monkeypatch.setattr(history, "FINDINGS", 10)
    monkeypatch.setattr(history, "SCANS", 5)
    old = scans(bucket, 16)
    Finding.objects.bulk_create(
        Finding(bucket=bucket, kind="object", key=f"{number}", state="gone", scan=old[0], last_seen_at=LONG_AGO)
        for number in range(35)
    )

    with CaptureQueriesContext(connection) as queries:
        assert history.forget(NOW) == (35, 15)

    assert len(queries) == 2 * 4 + 1 + 2 * 3 + 1  # each ends with a look that finds none
    assert not [query["sql"] for query in queries if query["sql"].startswith("DELETE") and "inventory" in query["sql"]]


def test_it_ends_in_time_and_goes_on_with_the_next_run(bucket, monkeypatch):
    old = scans(bucket, 2)
    find(old[0], "gone")
    monkeypatch.setattr(history, "TURN_SECONDS", -1)
    assert schedules.forget_history() == (0, 0)
    monkeypatch.undo()
    assert schedules.forget_history() == (1, 1)
