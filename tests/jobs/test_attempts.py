"""Faults that may pass are tried again, later and later; jobs on the same image take turns."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.exceptions import AwsDenied, AwsThrottled, AwsUnavailable, ImageRefused
from media_catalog.jobs import attempts, enqueue, recovery, runner
from media_catalog.models import Image, JobItem, Leftover, Preset, Rendition
from tests.committing import committing
from tests.jobs.conftest import DONE
from tests.pictures import encoded, picture


def _raises(error):
    def run(*_args):
        raise error

    return run


@pytest.mark.parametrize("error", [AwsThrottled("slow"), AwsUnavailable("away"), MemoryError()])
def test_a_fault_that_may_pass_waits_for_its_next_try(rows, kind, admin_user, error):
    kind("detect_faces", _raises(error))
    job = jobs.start(kind="detect_faces", user=admin_user, images=rows(1))
    item = job.items.get()
    before = timezone.now()

    runner.run_chunk(job.pk, [item.pk])

    item.refresh_from_db()
    assert (item.state, item.attempts, item.worker, item.dispatched_at) == ("queued", 1, "", None)
    assert item.message.endswith("Tried 1 time so far.")
    assert 2 < (item.not_before - before).total_seconds() < 4
    OrmQ.objects.all().delete()
    assert enqueue.dispatch_due() == 0

    JobItem.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    assert enqueue.dispatch_due() == 1
    kind("detect_faces")
    runner.run_chunk(job.pk, [item.pk])
    item.refresh_from_db()
    assert (item.state, item.attempts, item.not_before, item.message) == ("done", 2, None, "")


@pytest.mark.parametrize(("command", "code"), [("kill -9 $$", "out_of_memory"), ("exec sleep 60", "out_of_time")])
def test_an_image_that_cannot_be_decoded_now_is_tried_again(
    store, admin_user, instead_of_python, settings, command, code
):
    """And before the lease of its item is over: somebody else may take that then."""
    image = store(encoded(picture(), "TIFF"), name="scan.tif")
    instead_of_python(command)
    settings.JOB_ITEM_SECONDS = 1
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk])
    before = timezone.now()

    runner.run_chunk(job.pk, [job.items.get().pk])

    assert (job.items.get().state, job.items.get().code) == ("queued", code)
    assert (timezone.now() - before).total_seconds() < 10  # not the minutes that a child may take where nobody waits


@pytest.mark.parametrize("error", [AwsDenied("no"), ImageRefused("damaged")])
def test_a_permanent_error_is_final(rows, kind, admin_user, error):
    kind("detect_faces", _raises(error))
    job = jobs.start(kind="detect_faces", user=admin_user, images=rows(1))

    runner.run_chunk(job.pk, [job.items.get().pk])

    assert job.items.get().state == "failed"
    assert job.items.get().attempts == 1


def test_each_wait_is_longer(settings):
    waits = [attempts.wait_after(number) for number in (1, 2, 3)]
    assert [round(wait / (settings.JOB_RETRY_SECONDS * 5**number), 0) for number, wait in enumerate(waits)] == [1, 1, 1]


@pytest.mark.database
class TestTurns:
    @pytest.fixture
    def two(self, rows, kind, admin_user):
        """Two jobs on one image, of which the first has begun."""
        kind("detect_faces")
        ids = rows(1)
        first, second = (jobs.start(kind="detect_faces", user=admin_user, images=ids) for _job in range(2))
        assert runner.claim(first.items.get().pk)
        return first.items.get(), second.items.get()

    def test_the_second_waits_until_the_first_has_ended(self, two):
        first, second = two

        runner.run_chunk(second.job_id, [second.pk])
        second.refresh_from_db()
        assert (second.state, second.attempts, second.dispatched_at) == ("queued", 0, None)
        assert second.not_before

        runner._settle(first, DONE, runner.Counter())
        JobItem.objects.update(not_before=None)
        runner.run_chunk(second.job_id, [second.pk])
        second.refresh_from_db()
        assert second.state == "done"

    def test_it_is_dispatched_again_by_itself(self, two):
        _first, second = two
        runner.run_chunk(second.job_id, [second.pk])
        OrmQ.objects.all().delete()
        JobItem.objects.filter(pk=second.pk).update(not_before=timezone.now())

        recovery.recover()

        assert [task.args()[1] for task in OrmQ.objects.all()] == [[second.pk]]


def test_two_jobs_on_the_same_images_do_not_double_the_work(store, work, cloud, admin_user):
    images = [store(name=f"{number}.jpg").pk for number in range(2)]
    mark = cloud.access_log.mark()
    for _job in range(2):
        jobs.start(kind="make_renditions", user=admin_user, images=images)

    work()

    assert cloud.access_log.operations(mark) == {"GetObject": 2, "PutObject": 12}


@committing
def test_an_image_removed_while_its_item_runs_is_gone_without_a_trace(store, originals, admin_user, monkeypatch):
    image = store()
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk])
    put = s3.put_object

    def removed_meanwhile(*args, **kwargs):
        Image.objects.all().delete()
        return put(*args, **kwargs)

    monkeypatch.setattr(s3, "put_object", removed_meanwhile)
    runner.run_chunk(job.pk, [job.items.get().pk])

    item = job.items.get()
    assert (item.state, item.code) == ("skipped", "gone")
    assert not Image.objects.exists()
    assert not Rendition.objects.exists()
    assert not Leftover.objects.exists()


@committing
def test_a_preset_deleted_while_an_item_runs_leaves_nothing(store, work, admin_user, monkeypatch):
    image = store()
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk])
    put = s3.put_object

    def deleted_meanwhile(*args, **kwargs):
        Preset.objects.filter(slug="low").delete()
        return put(*args, **kwargs)

    monkeypatch.setattr(s3, "put_object", deleted_meanwhile)
    work()

    assert job.items.get().message == "5 renditions made."
    assert image.renditions.count() == 5
    assert not Leftover.objects.exists()
