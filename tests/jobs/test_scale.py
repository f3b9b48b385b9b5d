"""Ten thousand images: few queries, whole chunks, and no figure that grows with the job."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from media_catalog import jobs
from media_catalog.jobs.progress import figures, progress, progresses
from media_catalog.models import Job, JobItem, RequestLimit

pytestmark = [pytest.mark.database, pytest.mark.django_db]
IMAGES = 10_000


def test_starting_takes_a_hundred_queries_at_most(rows, admin_user, django_capture_on_commit_callbacks):
    RequestLimit.objects.update(limit=1_000_000)
    ids = rows(IMAGES)

    with CaptureQueriesContext(connection) as queries, django_capture_on_commit_callbacks(execute=True):
        job = jobs.start(kind="detect_faces", user=admin_user, images=ids)

    assert len(queries) <= 100, "\n".join(query["sql"][:200] for query in queries)
    tasks = [task.args()[1] for task in OrmQ.objects.order_by("pk")]
    assert len(tasks) == 40
    assert sorted(item for task in tasks for item in task) == list(
        job.items.order_by("pk").values_list("pk", flat=True)
    )
    assert not JobItem.objects.filter(dispatched_at=None).exists()


@pytest.mark.parametrize(("count", "chunks"), [(1, 1), (10, 1), (11, 2), (400, 40), (401, 37), (4000, 40)])
def test_small_jobs_are_shared_too(count, chunks):
    assert len(jobs.enqueue.chunks(range(count))) == chunks


def test_progress_of_many_jobs_is_one_query_and_of_those_that_are_over_none(django_assert_num_queries):
    over = Job.objects.create(kind="sync_buckets", state="finished", counts={"done": 3, "failed": 1})
    running = [Job.objects.create(kind="sync_buckets", state="running") for _job in range(3)]
    for job in running:
        JobItem.objects.bulk_create(JobItem(job=job, target="x", state=state) for state in ["done", "queued"])

    with django_assert_num_queries(1):
        found = progresses([over, *running])
    with django_assert_num_queries(0):
        assert progress(over).total == 4

    assert [found[job.pk].percent for job in [over, *running]] == [100, 50, 50, 50]


def test_speed_is_that_of_the_last_minute(rows):
    job = Job.objects.create(kind="sync_buckets", state="running")
    now = job.created_at
    job.started_at = now - timedelta(minutes=10)
    ended = [now - timedelta(minutes=minutes) for minutes in (0.2, 0.4, 0.9, 2, 5)]
    JobItem.objects.bulk_create(JobItem(job=job, target="x", state="done", finished_at=moment) for moment in ended)
    JobItem.objects.bulk_create(JobItem(job=job, target="x") for _number in range(6))

    found = figures([job], now=now)[job.pk].speed

    assert found.per_minute == 3
    assert found.left == timedelta(minutes=2)


def test_speed_of_a_job_that_has_not_begun_is_not_known(db):
    job = Job.objects.create(kind="sync_buckets")
    assert figures([job])[job.pk].speed is None
