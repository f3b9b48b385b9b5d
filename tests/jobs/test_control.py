"""Cancel, pause, resume, retry, delete, and the queue as a whole."""

from contextlib import suppress
from contextvars import Context
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from media_catalog import jobs
from media_catalog.exceptions import QuotaRefused, TooManyItems
from media_catalog.jobs import control, recovery, runner, schedules
from media_catalog.jobs.progress import progress
from media_catalog.models import AuditEvent, Job, JobItem, RequestCounter, RequestLimit, Reservation
from media_catalog.quota import meter
from tests.jobs.conftest import DONE

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _ids(job: Job) -> list[int]:
    return list(job.items.order_by("pk").values_list("pk", flat=True))


def _states(job: Job) -> list[str]:
    return list(job.items.order_by("pk").values_list("state", flat=True))


def _reserved() -> int:
    return sum(RequestCounter.objects.filter(period="month").values_list("reserved", flat=True))


def _held() -> dict[str, int]:
    """Of Rekognition's month, as its counter has it."""
    return RequestCounter.objects.values("used", "leased", "reserved").get(
        period="month", request_class="rekognition_image"
    )


@pytest.fixture
def job(rows, admin_user, kind) -> Job:
    """Ten images to be analysed, 10 units reserved."""
    RequestLimit.objects.update(limit=1000)
    kind("detect_faces")
    started = jobs.start(kind="detect_faces", user=admin_user, images=rows(10))
    assert _reserved() == 10
    started.refresh_from_db()
    return started


class TestCancel:
    def test_what_waits_never_starts_and_the_reservation_returns(self, job):
        runner.run_chunk(job.pk, _ids(job)[:3])

        assert control.cancel(job, by="anna") == 7

        job.refresh_from_db()
        assert (job.state, job.cancelled_by) == ("cancelled", "anna")
        assert progress(job).percent == 30
        assert _states(job) == ["done"] * 3 + ["cancelled"] * 7
        assert _reserved() == 0
        runner.run_chunk(job.pk, _ids(job))
        assert _states(job) == ["done"] * 3 + ["cancelled"] * 7

    def test_in_the_middle_of_a_chunk_only_the_running_item_ends(self, job, kind):
        def cancelled_meanwhile(*_args):
            control.cancel(job, by="anna")
            return DONE

        kind("detect_faces", cancelled_meanwhile)
        runner.run_chunk(job.pk, _ids(job))

        job.refresh_from_db()
        assert job.state == "cancelled"
        assert _states(job) == ["done"] + ["cancelled"] * 9

    @pytest.mark.parametrize(("more", "state"), [(0, "done"), (2, "done"), (3, "cancelled")])
    def test_the_reservation_returns_while_an_item_still_runs(self, job, kind, more, state):
        """But for what its worker has in hand, which is three. The item, and others meanwhile, never pass the limit."""
        RequestLimit.objects.filter(request_class="rekognition_image").update(limit=10)
        held = []

        def spend():
            meter.spend("rekognition", "DetectFaces")
            held.append(_held())

        def cancelled_meanwhile(*_args):
            spend()
            control.cancel(job, by="anna")
            held.append(_held())
            with suppress(QuotaRefused):
                while True:
                    Context().run(spend)  # somebody else, outside of this chunk
            for _request in range(more):
                spend()
            return DONE

        kind("detect_faces", cancelled_meanwhile)
        runner.run_chunk(job.pk, _ids(job)[:3])

        assert held[:2] == [{"used": 0, "leased": 3, "reserved": 7}, {"used": 0, "leased": 3, "reserved": 0}]
        assert held[8] == {"used": 7, "leased": 3, "reserved": 0}
        assert max(sum(figures.values()) for figures in held) == 10
        assert _held() == {"used": 8 + min(more, 2), "leased": 0, "reserved": 0}
        job.refresh_from_db()
        assert (job.state, _states(job)) == ("cancelled", [state] + ["cancelled"] * 9)

    def test_with_an_item_that_runs_it_is_cancelling_and_what_is_put_back_is_cancelled_too(self, job):
        first = _ids(job)[0]
        assert runner.claim(first)

        control.cancel(job, by="anna")
        job.refresh_from_db()
        assert job.is_cancelling
        assert not job.is_over

        JobItem.objects.filter(pk=first).update(worker="elsewhere/1:1:1", lease_until=timezone.now())
        recovery.recover()
        job.refresh_from_db()
        assert job.state == "cancelled"
        assert set(_states(job)) == {"cancelled"}

    def test_a_second_time_or_too_late_it_does_nothing(self, job):
        control.cancel(job, by="anna")
        assert control.cancel(job, by="bert") is None
        job.refresh_from_db()
        assert job.cancelled_by == "anna"

    def test_parked_items_too(self, job, admin_user):
        RequestLimit.objects.update(limit=0)
        ids = list(job.items.values_list("image", flat=True))
        parked = jobs.start(kind="detect_faces", user=admin_user, images=ids, park=True)
        assert control.cancel(parked, by="anna") == 10
        parked.refresh_from_db()
        assert parked.state == "cancelled"
        assert schedules.start_parked() == 0


class TestPause:
    def test_nothing_starts_until_it_is_resumed(self, job):
        assert control.pause(job)
        assert _reserved() == 0
        runner.run_chunk(job.pk, _ids(job))
        recovery.recover()
        assert set(_states(job)) == {"queued"}

        job.refresh_from_db()
        assert control.resume(job)
        assert _reserved() == 10
        runner.run_chunk(job.pk, _ids(job))
        job.refresh_from_db()
        assert job.state == "finished"
        assert set(_states(job)) == {"done"}

    def test_a_chunk_that_outlives_both_leaves_the_rest_to_the_new_reservation(self, job, kind, monkeypatch):
        monkeypatch.setattr(runner, "BEAT_SECONDS", 0)
        before = job.reservation_id

        def paused_and_resumed_meanwhile(*_args):
            assert control.pause(job)
            assert control.resume(job)
            return DONE

        kind("detect_faces", paused_and_resumed_meanwhile)
        runner.run_chunk(job.pk, _ids(job))

        job.refresh_from_db()
        assert job.reservation_id != before
        assert _states(job) == ["done"] + ["queued"] * 9
        assert not job.items.filter(state="queued").exclude(dispatched_at__isnull=False, worker="").exists()

        kind("detect_faces")
        runner.run_chunk(job.pk, _ids(job))
        assert set(_states(job)) == {"done"}

    def test_is_for_jobs_that_go_on_and_resume_for_paused_ones(self, job):
        assert not control.resume(job)
        assert control.pause(job)
        assert not control.pause(job)
        control.cancel(job, by="anna")
        assert not control.resume(job)
        job.refresh_from_db()
        assert job.state == "cancelled"

    def test_what_does_not_fit_any_more_is_parked_at_the_resume(self, job):
        control.pause(job)
        RequestLimit.objects.filter(request_class="rekognition_image").update(limit=4)
        job.refresh_from_db()

        control.resume(job)

        assert sorted(_states(job)) == ["parked"] * 6 + ["queued"] * 4

    def test_a_paused_job_keeps_its_parked_items_until_then(self, job):
        items = JobItem.objects.filter(job=job)
        items.update(state="parked")
        control.pause(job)
        runner.finish_if_done(job.pk)
        job.refresh_from_db()
        assert job.state == "paused"
        assert schedules.start_parked() == 0


class TestQueue:
    def test_no_item_of_any_job_starts_while_it_is_paused(self, job):
        assert control.pause_queue(by="anna")
        assert not control.pause_queue(by="bert")
        assert str(control.queue_paused()) == "paused by anna"
        OrmQ.objects.all().delete()

        runner.run_chunk(job.pk, _ids(job))
        recovery.recover()

        assert set(_states(job)) == {"queued"}
        assert not OrmQ.objects.exists()

        assert control.resume_queue(by="bert")
        assert not control.resume_queue(by="bert")
        assert OrmQ.objects.exists()
        runner.run_chunk(job.pk, _ids(job))
        assert set(_states(job)) == {"done"}
        done = AuditEvent.objects.order_by("pk").values_list("username", "action")
        assert list(done) == [("anna", "queue_paused"), ("bert", "queue_resumed")]


class TestRetry:
    def test_a_new_job_has_the_failed_items_alone(self, job, kind, admin_user):
        failing = set(_ids(job)[:2])

        def run(image, _options):
            if job.items.get(image=image).pk in failing:
                raise ValueError
            return DONE

        kind("detect_faces", run)
        runner.run_chunk(job.pk, _ids(job))
        assert _states(job) == ["failed"] * 2 + ["done"] * 8

        again = jobs.retry(job, user=admin_user)

        assert again.retry_of == job
        assert sorted(again.items.values_list("image", flat=True)) == sorted(
            job.items.filter(state="failed").values_list("image", flat=True)
        )
        assert again.estimate == {"rekognition_image": 2}


class TestDelete:
    def test_leaves_an_audit_row(self, job):
        runner.run_chunk(job.pk, _ids(job))
        number = str(job)

        control.delete(job, by="anna")

        assert not Job.objects.exists()
        event = AuditEvent.objects.get()
        assert (event.action, event.username, event.target) == ("job_deleted", "anna", number)
        assert event.before["done"] == 10

    def test_not_while_it_goes_on(self, job):
        with pytest.raises(ValueError, match="not over"):
            control.delete(job, by="anna")
        assert Job.objects.exists()


class TestRequester:
    @pytest.mark.parametrize("change", ["deactivated", "stripped", "removed"])
    def test_is_asked_again_by_the_worker(self, rows, kind, staff_with, change):
        kind("detect_faces")
        user = staff_with("detect_faces_image")
        job = jobs.start(kind="detect_faces", user=user, images=rows(2))
        if change == "deactivated":
            user.is_active = False
            user.save()
        elif change == "stripped":
            user.user_permissions.clear()
        else:
            user.delete()

        runner.run_chunk(job.pk, _ids(job))

        job.refresh_from_db()
        assert job.state == "finished"
        item = job.items.first()
        assert (item.state, item.code) == ("failed", "not_permitted")
        assert job.requester in item.message
        assert _reserved() == 0

    def test_the_product_s_own_jobs_have_none(self, rows, kind):
        kind("detect_faces")
        job = jobs.start(kind="detect_faces", user=None, images=rows(1))
        runner.run_chunk(job.pk, _ids(job))
        assert _states(job) == ["done"]


def test_too_many_images_are_refused_before_anything_is_written(rows, settings, admin_user):
    settings.JOB_MAX_ITEMS = 3
    with pytest.raises(TooManyItems):
        jobs.start(kind="detect_faces", user=admin_user, images=rows(4))
    assert not Job.objects.exists()
    assert not Reservation.objects.exists()


def test_the_items_of_old_jobs_go_and_the_counts_stay(job, settings):
    runner.run_chunk(job.pk, _ids(job))
    assert schedules.delete_old_items() == 0
    Job.objects.update(finished_at=timezone.now() - timedelta(days=settings.JOB_KEEP_DAYS + 1))

    assert schedules.delete_old_items() == 10

    job.refresh_from_db()
    assert progress(job).done == 10
