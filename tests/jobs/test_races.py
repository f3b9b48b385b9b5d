"""Two at the same time: dispatchers and workers, a pause and a running item, a form that is sent twice."""

import threading
import uuid

import pytest
from django.db import IntegrityError, connection
from django_q.models import OrmQ

from media_catalog import jobs
from media_catalog.jobs import control, enqueue, recovery, runner, schedules
from media_catalog.models import Job, JobItem, RequestLimit, WorkQueue
from tests.jobs.conftest import DONE

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.mark.django_db(transaction=True)
def test_items_put_back_while_others_are_dispatched_are_in_a_task_or_wait_for_one():
    """Whatever is marked as dispatched is in a task, however puts back and dispatches meet."""
    job = Job.objects.create(kind="sync_buckets", state="running")
    items = JobItem.objects.bulk_create(JobItem(job=job, target="x") for _number in range(60))
    halves = [[item.pk for item in items[:30]], [item.pk for item in items[30:]]]
    together = threading.Barrier(2)

    def hand_back(mine: list[int]) -> None:
        for _round in range(15):
            together.wait()
            JobItem.objects.filter(pk__in=mine).put_back()
            enqueue.dispatch(job.pk)
        connection.close()

    threads = [threading.Thread(target=hand_back, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    in_tasks = {item for task in OrmQ.objects.all() for item in task.args()[1]}
    marked = set(JobItem.objects.filter(dispatched_at__isnull=False).values_list("pk", flat=True))
    assert marked <= in_tasks


class TestPauseWithOnlyARunningItem:
    @pytest.fixture
    def running(self, rows, kind, admin_user) -> JobItem:
        kind("detect_faces")
        job = jobs.start(kind="detect_faces", user=admin_user, images=rows(1))
        item = job.items.get()
        assert runner.claim(item.pk)
        control.pause(job)
        item.refresh_from_db()
        return item

    def test_a_resume_does_not_finish_the_job_under_it(self, running):
        job = Job.objects.get()
        assert control.resume(job)
        job.refresh_from_db()
        assert not job.is_over

        runner._settle(running, DONE, runner.Counter())
        runner.finish_if_done(job.pk)
        job.refresh_from_db()
        assert (job.state, job.counts["done"]) == ("finished", 1)


def test_a_job_without_images_that_does_not_fit_any_more_is_parked_at_the_resume(admin_user):
    RequestLimit.objects.filter(request_class="s3_tier1").update(limit=10)
    job = jobs.start(kind="sync_buckets", user=admin_user)
    control.pause(job)
    RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)

    assert control.resume(Job.objects.get())

    job.refresh_from_db()
    assert (job.state, job.items.get().state) == ("parked", "parked")
    assert schedules.start_parked() == 0
    RequestLimit.objects.filter(request_class="s3_tier1").update(limit=10)
    assert schedules.start_parked() == 1
    assert job.items.get().state == "queued"


def test_what_a_dead_worker_had_of_a_cancelled_job_is_not_dispatched(rows, kind, admin_user):
    kind("detect_faces")
    job = jobs.start(kind="detect_faces", user=admin_user, images=rows(1))
    item = job.items.get()
    assert runner.claim(item.pk)
    control.cancel(job, by="anna")
    OrmQ.objects.all().delete()
    JobItem.objects.filter(pk=item.pk).put_back()

    assert enqueue.dispatch(job.pk) == 0
    assert enqueue.dispatch_due() == 0
    assert not runner.claim(item.pk)
    recovery.recover()
    assert not OrmQ.objects.exists()
    assert job.items.get().state == "cancelled"


def test_a_form_that_is_sent_twice_starts_one_job(rows, kind, admin_user):
    kind("detect_faces")
    ids, token = rows(2), uuid.uuid4()
    jobs.start(kind="detect_faces", user=admin_user, images=ids, token=token)

    with pytest.raises(IntegrityError):
        jobs.start(kind="detect_faces", user=admin_user, images=ids, token=token)

    assert Job.objects.count() == 1


def test_parking_does_not_use_up_attempts(rows, admin_user):
    RequestLimit.objects.filter(request_class="rekognition_image").update(limit=1)
    job = jobs.start(kind="detect_faces", user=admin_user, images=rows(1))
    RequestLimit.objects.filter(request_class="rekognition_image").update(limit=0)

    runner.run_chunk(job.pk, [job.items.get().pk])

    item = job.items.get()
    assert (item.state, item.attempts, item.finished_at) == ("parked", 0, None)


def test_looking_for_what_is_due_costs_the_same_however_many_jobs_wait(db, django_assert_num_queries):
    for number in range(10):
        job = Job.objects.create(kind="sync_buckets", state="paused" if number % 2 else "parked")
        JobItem.objects.create(job=job, target="x")
    with django_assert_num_queries(1):
        assert enqueue.dispatch_due() == 0

    JobItem.objects.create(job=Job.objects.create(kind="sync_buckets"), target="x")
    WorkQueue.objects.create(pk=WorkQueue.ONLY, paused_at="2026-01-01T00:00Z")
    with django_assert_num_queries(1):
        assert enqueue.dispatch_due() == 0
