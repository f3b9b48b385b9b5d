"""Items of dead processes and lost tasks are put back; what lives or waits is left alone."""

import json
import os
import signal
import subprocess
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from media_catalog.jobs import attempts, cluster, enqueue, holder, recovery, runner
from media_catalog.jobs.kinds import Kind
from media_catalog.models import Job, JobItem

pytestmark = pytest.mark.database
ELSEWHERE = "another-host/4026531836:17:12345"


@pytest.fixture(scope="module")
def dead() -> str:
    """The name of a process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as process:
        name = holder.name_of(process.pid)
        process.kill()
    return name


@pytest.fixture
def job(db) -> Job:
    return Job.objects.create(kind="sync_buckets", state=Job.State.RUNNING)


@pytest.fixture
def running(job):
    def _running(*, worker: str, lease: float = 60, attempts: int = 1) -> JobItem:
        return JobItem.objects.create(
            job=job,
            target="x",
            state="running",
            worker=worker,
            attempts=attempts,
            lease_until=timezone.now() + timedelta(seconds=lease),
            dispatched_at=timezone.now(),
        )

    return _running


def _queued(job: Job, *, count: int = 1, age: float = 0, worker: str = "") -> None:
    dispatched = timezone.now() - timedelta(seconds=age)
    JobItem.objects.bulk_create(
        [JobItem(job=job, target="x", dispatched_at=dispatched, worker=worker) for _number in range(count)]
    )


class TestHolder:
    def test_a_process_that_runs_and_one_that_ended(self, dead):
        assert holder.is_alive(holder.me()) is True
        assert holder.is_alive(dead) is False

    def test_one_that_waits_to_be_collected_is_dead(self):
        with subprocess.Popen(["sleep", "60"]) as process:
            name = holder.name_of(process.pid)
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert holder.is_alive(name) is False

    def test_another_process_with_the_same_pid_is_another(self):
        assert holder.is_alive(f"{holder.me()}0") is False

    def test_of_another_host_nothing_is_known(self):
        assert holder.is_alive(ELSEWHERE) is None

    def test_a_system_that_does_not_tell_gives_no_names(self, monkeypatch, tmp_path):
        monkeypatch.setattr(holder, "PROCESSES", tmp_path)
        assert holder.me() == ""


class TestRecover:
    def test_an_item_of_a_dead_process_need_not_wait_for_its_lease(self, running, dead):
        item = running(worker=dead)

        assert recovery.recover() == 1

        item.refresh_from_db()
        assert (item.state, item.worker, item.lease_until) == ("queued", "", None)
        assert OrmQ.objects.count() == 1

    def test_the_rest_of_its_chunk_neither(self, job, running, dead):
        running(worker=dead)
        _queued(job, count=3, worker=dead)
        _queued(job, count=3, worker=holder.me())

        assert recovery.recover() == 4
        assert len(OrmQ.objects.get().args()[1]) == 4

    def test_a_living_process_keeps_its_item_even_when_late(self, running):
        running(worker=holder.me(), lease=-60)

        assert recovery.recover() == 0
        assert not OrmQ.objects.exists()

    @pytest.mark.parametrize(("lease", "expected"), [(30, 0), (-1, 1)])
    def test_of_another_host_the_lease_decides(self, running, lease, expected):
        running(worker=ELSEWHERE, lease=lease)

        assert recovery.recover() == expected
        assert OrmQ.objects.count() == expected

    def test_an_item_that_kills_its_worker_each_time_fails(self, job, running, dead):
        item = running(worker=dead, attempts=4)

        assert recovery.recover() == 0

        item.refresh_from_db()
        job.refresh_from_db()
        assert (item.state, item.code) == ("failed", "worker_died")
        assert job.state == Job.State.FINISHED

    def test_a_job_whose_worker_died_after_its_last_item_is_finished(self, job):
        JobItem.objects.create(job=job, target="x", state="done")

        recovery.recover()

        job.refresh_from_db()
        assert job.state == Job.State.FINISHED

    def test_a_job_never_dispatched_is_dispatched_once(self, job):
        JobItem.objects.create(job=job, target="x")

        recovery.recover()
        recovery.recover()

        assert OrmQ.objects.count() == 1

    def test_a_job_that_waits_long_is_not_enqueued_again(self, job):
        JobItem.objects.bulk_create([JobItem(job=job, target="x") for _number in range(100)])
        enqueue.dispatch(job.pk)
        long_ago = timezone.now() - timedelta(days=1)
        JobItem.objects.update(dispatched_at=long_ago)
        Job.objects.update(heartbeat=long_ago)

        assert [recovery.recover() for _time in range(3)] == [0, 0, 0]

        assert OrmQ.objects.count() == 100 / settings.JOB_CHUNK_SIZE

    def test_one_orphan_does_not_bring_the_others_of_its_job_along(self, job, running, dead):
        running(worker=dead)
        _queued(job, count=50)

        recovery.recover()

        assert len(OrmQ.objects.get().args()[1]) == 1

    @pytest.mark.parametrize(("age", "expected"), [(10, 0), (3600, 5)])
    def test_items_whose_task_is_gone_are_dispatched_again(self, job, age, expected):
        _queued(job, count=5, age=age)

        assert recovery.recover() == expected
        assert recovery.recover() == 0
        assert OrmQ.objects.count() == bool(expected)


def test_a_new_worker_sets_the_chunks_free_that_its_predecessor_had_taken(job):
    _queued(job)
    JobItem.objects.update(dispatched_at=None)
    enqueue.dispatch(job.pk)
    enqueue.async_task("media_catalog.jobs.schedules.settle_uploads")
    OrmQ.objects.update(lock=timezone.now() + timedelta(seconds=270))

    recovery.take_over()

    assert [task.func() for task in OrmQ.objects.filter(lock__lte=timezone.now())] == [enqueue.RUN_CHUNK]
    assert OrmQ.objects.count() == 2


@pytest.fixture
def kind(monkeypatch):
    """Give the kind of `job` another content."""

    def _kind(run) -> None:
        kinds = {"sync_buckets": Kind(slug="sync_buckets", label="x", run=run, permissions=[], takes_images=False)}
        monkeypatch.setattr(attempts, "KINDS", kinds)

    return _kind


@pytest.fixture
def lifeline(monkeypatch):
    """A lifeline as a worker has it; call it to cut it."""
    inner, outer = os.pipe()
    monkeypatch.setattr(cluster, "_lifeline", inner)
    with open(inner, "rb"), open(outer, "wb") as end:
        yield end.close


DONE = runner.Outcome(state=JobItem.State.DONE, message="")
FAILED = runner.Outcome(state=JobItem.State.FAILED, message="", code="unavailable")


class TestStop:
    def _run(self, job: Job) -> list[tuple[str, int, bool]]:
        """Three items in one chunk."""
        JobItem.objects.bulk_create([JobItem(job=job, target="x") for _number in range(3)])
        enqueue.dispatch(job.pk)
        (_job, ids) = OrmQ.objects.get().args()
        OrmQ.objects.all().delete()
        runner.run_chunk(job.pk, ids)
        return [
            (item.state, item.attempts, item.dispatched_at is None and not item.worker)
            for item in job.items.order_by("pk")
        ]

    def test_the_running_item_ends_and_the_others_are_put_back(self, job, kind, lifeline):
        begun = []

        def run(*_args):
            begun.append(lifeline())
            return DONE

        kind(run)

        assert self._run(job) == [("done", 1, False), ("queued", 0, True), ("queued", 0, True)]
        assert len(begun) == 1
        assert not OrmQ.objects.exists()

    def test_what_fails_then_is_put_back_too_as_s3_may_be_stopping(self, job, kind, lifeline):
        kind(lambda *_args: lifeline() or FAILED)

        assert self._run(job) == [("queued", 0, True)] * 3

    def test_without_a_stop_a_failure_is_one(self, job, kind, lifeline):
        kind(lambda *_args: FAILED)

        assert [state for state, *_rest in self._run(job)] == ["failed"] * 3

    def test_a_task_that_breaks_puts_its_items_back(self, job, kind):
        def ended_by_timeout(*_args):
            raise SystemExit

        kind(ended_by_timeout)
        with pytest.raises(SystemExit):
            self._run(job)

        assert job.items.filter(state="queued", dispatched_at=None).count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_the_time_over_the_item_is_cut_off(self, job, kind, lifeline):
        def hangs(*_args):
            lifeline()
            signal.raise_signal(signal.SIGUSR1)
            pytest.fail("not interrupted")

        before = signal.signal(signal.SIGUSR1, cluster._interrupt)
        kind(hangs)
        try:
            assert self._run(job) == [("queued", 0, True)] * 3
            signal.raise_signal(signal.SIGUSR1)  # no item runs: nothing happens
        finally:
            signal.signal(signal.SIGUSR1, before)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_claim_at_once_each_item_is_claimed_by_one():
    """Processes of their own would need the test database's name; threads have connections of their own too."""
    job = Job.objects.create(kind="sync_buckets")
    ids = [JobItem.objects.create(job=job, target="x").pk for _number in range(60)]
    claimed: list[int] = []
    together = threading.Barrier(6)

    def claim_all() -> None:
        together.wait()
        claimed.extend(pk for pk in ids if runner.claim(pk))
        connection.close()

    claimers = [threading.Thread(target=claim_all) for _number in range(6)]
    for claimer in claimers:
        claimer.start()
    for claimer in claimers:
        claimer.join()

    assert sorted(claimed) == ids
    assert set(JobItem.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_of_two_who_dispatch_at_once_one_does():
    job = Job.objects.create(kind="sync_buckets")
    JobItem.objects.bulk_create([JobItem(job=job, target="x") for _number in range(40)])
    handed: list[int] = []
    together = threading.Barrier(4)

    def dispatch() -> None:
        together.wait()
        handed.append(enqueue.dispatch(job.pk))
        connection.close()

    dispatchers = [threading.Thread(target=dispatch) for _number in range(4)]
    for dispatcher in dispatchers:
        dispatcher.start()
    for dispatcher in dispatchers:
        dispatcher.join()

    assert sorted(handed) == [0, 0, 0, 40]
    assert OrmQ.objects.count() == 4


def test_requests_add_up_over_attempts_even_of_one_that_lost_its_lease(job, running):
    first = running(worker=ELSEWHERE)
    runner._settle(first, None, runner.Counter(s3_tier1=2))
    assert runner.claim(first.pk)
    second = JobItem.objects.get(pk=first.pk)
    first.attempts = 2

    runner._settle(first, FAILED, runner.Counter(s3_tier1=1, s3_tier2=1))
    runner._settle(second, DONE, runner.Counter(s3_tier1=4))

    second.refresh_from_db()
    assert second.state == "done"
    assert json.dumps(second.requests, sort_keys=True) == '{"s3_tier1": 7, "s3_tier2": 1}'
