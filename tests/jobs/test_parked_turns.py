"""Jobs without images that do not fit into a limit: a part runs, and the rest after each reset, until it is done."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog import jobs
from media_catalog.jobs import control, enqueue, schedules, sweeps
from media_catalog.models import Bucket, Job, RequestCounter, RequestLimit, StoredFile, TrashedObject
from media_catalog.services import files
from media_catalog.services.selection import candidates
from tests.admin.buckets import new_bucket, put
from tests.pictures import upload_file

pytestmark = [pytest.mark.database, pytest.mark.django_db]
MONTHS = [datetime(2026, 11, 20, 12, tzinfo=UTC), *(datetime(2027, month, 1, tzinfo=UTC) for month in (1, 2, 3))]


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    moment = {"now": MONTHS[0]}
    monkeypatch.setattr(timezone, "now", lambda: moment["now"])

    def set_to(now: datetime) -> None:
        moment["now"] = now

    return set_to


@pytest.fixture
def place(originals) -> Bucket:
    return new_bucket()


def _limit(limit: int, request_class: str = "s3_tier1") -> None:
    RequestLimit.objects.filter(request_class=request_class, period="month").update(limit=limit)


def _used(request_class: str = "s3_tier1") -> int:
    return RequestCounter.objects.filter(request_class=request_class, period="month").latest("starts").used


def _trash(place: Bucket, user, count: int) -> Job:
    """The job that moves so many objects to the trash: 1 PUT-class and 1 GET-class request for each."""
    keys = [f"{number:02}.txt" for number in range(count)]
    for key in keys:
        put(place, key)
    _limit(_used() + 12)
    options = {"bucket": place.pk, "keys": keys, "run": secrets.token_hex(16)}
    return jobs.start(kind="trash_objects", user=user, options=options, park=True)


def test_what_is_more_than_a_whole_limit_is_done_in_parts(place, work, cloud, admin_user, clock):
    job = _trash(place, admin_user, 30)
    mark = cloud.access_log.mark()
    work()

    job.refresh_from_db()
    assert TrashedObject.objects.count() == 12
    assert (job.state, job.parked_until) == (Job.State.PARKED, datetime(2026, 12, 1, tzinfo=UTC))
    assert schedules.start_parked() == 0

    _limit(12)
    for month, moved in zip(MONTHS[1:3], (24, 30), strict=True):
        clock(month)
        assert schedules.start_parked() == 1
        work()
        assert TrashedObject.objects.count() == moved
        assert _used() <= 12

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert job.items.get().state == "done"
    assert cloud.access_log.operations(mark)["CopyObject"] == 30
    assert not RequestCounter.objects.exclude(leased=0, reserved=0).exists()


def test_the_rest_alone_is_reserved_when_it_goes_on(place, work, admin_user, clock):
    job = _trash(place, admin_user, 30)
    work()
    _limit(1000)

    assert schedules.start_parked() == 1

    job.refresh_from_db()
    reserved = dict(job.reservation.lines.values_list("request_class", "units"))
    assert reserved == {"s3_tier1": 18, "s3_tier2": 18}


def test_a_retry_and_a_resumed_job_reserve_the_rest_alone(place, admin_user):
    job = _trash(place, admin_user, 12)
    control.pause(job)
    Job.objects.update(options={**job.options, "settled": job.options["keys"][:5]})
    job.refresh_from_db()

    control.resume(job)
    job.refresh_from_db()
    assert dict(job.reservation.lines.values_list("request_class", "units"))["s3_tier1"] == 7

    control.cancel(job, by="")
    retried = Job.objects.get(pk=jobs.retry(job, user=admin_user).pk)
    assert retried.estimate["s3_tier1"] == 7


def test_a_few_requests_that_are_left_do_not_start_it(place, admin_user, clock):
    job = _trash(place, admin_user, 30)
    control.cancel(job, by="")
    _limit(_used() + 9)

    assert jobs.start(kind="trash_objects", user=admin_user, options=job.options, park=True).reservation is None
    assert schedules.start_parked() == 0
    assert Job.objects.latest("pk").state == Job.State.PARKED


def test_a_parked_sweep_goes_on_with_what_is_due_by_then(place, work, admin_user):
    """So that it never stands in the way of the next."""
    Bucket.objects.filter(pk=place.pk).update(expire_after=3600, retention_on=True)
    place.refresh_from_db()
    _file(place, "first.txt")
    _file(place, "second.txt")
    _limit(0)
    job = sweeps.start_sweep(place)
    assert sweeps.start_sweep(place) is None
    job.refresh_from_db()
    assert (job.state, job.parked_until) == (Job.State.PARKED, None)
    _limit(1000)
    _file(place, "third.txt")

    assert schedules.start_parked() == 1
    work()

    assert not StoredFile.objects.exists()


def _file(place: Bucket, name: str) -> None:
    limits = dict(RequestLimit.objects.values_list("pk", "limit"))
    RequestLimit.objects.update(limit=1_000_000)
    stored = files.store(
        file=upload_file(b"content", name), name=name, description="what it is", bucket=place, user=None
    )
    StoredFile.objects.filter(pk=stored.pk).update(created_at=timezone.now() - timedelta(days=1))
    for pk, limit in limits.items():
        RequestLimit.objects.filter(pk=pk).update(limit=limit)


def test_the_day_that_a_parked_job_names_is_the_next_reset(place, admin_user, clock):
    job = _trash(place, admin_user, 30)
    control.cancel(job, by="")
    _limit(_used())
    waiting = jobs.start(kind="trash_objects", user=admin_user, options=job.options, park=True)
    clock(MONTHS[1])
    RequestCounter.objects.create(request_class="s3_tier1", period="month", starts=MONTHS[1].date(), used=10_000)

    assert schedules.start_parked() == 0

    waiting.refresh_from_db()
    assert waiting.parked_until == MONTHS[2]


def test_a_job_that_no_reset_helps_says_so(place, admin_user, admin_client):
    _limit(0)
    options = {"bucket": place.pk, "keys": ["a"], "run": secrets.token_hex(16)}
    job = jobs.start(kind="trash_objects", user=admin_user, options=options, park=True)

    said = admin_client.get(f"/admin/media_catalog/job/{job.pk}/change/").content.decode()

    assert "a limit is raised: no reset is enough" in said


@pytest.mark.parametrize("count", [2, 20])
def test_asking_each_minute_is_cheap_however_much_is_parked(rows, place, admin_user, monkeypatch, count):
    _limit(0, "rekognition_image")
    jobs.start(kind="detect_faces", user=admin_user, images=rows(count), park=True)
    _limit(0)
    keys = [f"{number}" for number in range(count)]
    options = {"bucket": place.pk, "keys": keys, "run": secrets.token_hex(16)}
    jobs.start(kind="trash_objects", user=admin_user, options=options, park=True)
    looked = []
    monkeypatch.setattr(enqueue, "candidates", lambda ids, **_options: looked.extend(ids) or candidates(ids))

    with CaptureQueriesContext(connection) as queries:
        assert schedules.start_parked() == 0

    assert len(looked) == 1
    assert len(queries) <= 20
    assert not [query for query in queries if "FOR UPDATE" in query["sql"] and "job" in query["sql"]]
