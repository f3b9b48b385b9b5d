"""Jobs: started in the caller's transaction, claimed once, faults told apart, recovered after a dead worker."""

import socket

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.jobs import attempts, enqueue, runner, schedules
from media_catalog.jobs.kinds import KINDS
from media_catalog.jobs.progress import progress
from media_catalog.models import Bucket, Image, Job, JobItem, RequestUsage
from tests.pictures import one_face


def _states(job: Job) -> list[tuple[str, str]]:
    return list(job.items.order_by("pk").values_list("state", "code"))


def test_a_job_runs_its_items_and_finishes(store, work, admin_user):
    images = [store(name=f"{number}.jpg") for number in range(3)]
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk for image in images])
    assert progress(job).percent == 0

    work()

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert job.started_at < job.finished_at
    assert progress(job).percent == 100
    item = job.items.first()
    assert item.message == "6 renditions made."
    assert item.requests == {"s3_tier1": 6, "s3_tier2": 1}
    usage = RequestUsage.objects.filter(job_kind="make_renditions", operation="PutObject")
    assert [(row.username, row.count) for row in usage] == [(admin_user.username, 18)]


def test_a_second_delivery_does_nothing(store, cloud, admin_user):
    job = jobs.start(kind="make_renditions", user=admin_user, images=[store().pk])
    ids = list(job.items.values_list("pk", flat=True))
    runner.run_chunk(job.pk, ids)
    mark = cloud.access_log.mark()

    runner.run_chunk(job.pk, ids)

    assert not cloud.access_log.operations(mark)
    assert job.items.get().attempts == 1


def test_one_bad_item_does_not_lose_the_others(store, work, originals, admin_user):
    images = [store(name=f"{number}.jpg") for number in range(3)]
    s3.put_object(originals.name, images[1].key, b"garbage", content_type="image/jpeg", overwrite=True)
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk for image in images])

    work()

    assert _states(job) == [("done", ""), ("failed", "image_refused"), ("done", "")]
    assert (
        job.items.get(state="failed").message == "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF."
    )


def test_s3_going_away_in_the_middle_is_tried_again_and_then_fails_with_the_reason(store, settings, admin_user):
    images = [store(name=f"{number}.jpg") for number in range(2)]
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk for image in images])
    first, second = job.items.values_list("pk", flat=True)
    runner.run_chunk(job.pk, [first])

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{port}"
    forget_clients()
    for attempt in range(1, settings.JOB_ITEM_ATTEMPTS + 1):
        runner.run_chunk(job.pk, [second])
        assert _states(job) == [("done", ""), ("queued" if attempt < 4 else "failed", "unavailable")]
        runner.run_chunk(job.pk, [second])
        item = job.items.get(pk=second)
        assert item.attempts == attempt  # a delivery before its time does nothing
        assert "could not be reached" in item.message
        JobItem.objects.filter(pk=second).update(not_before=timezone.now())

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED


def test_an_unforeseen_error_fails_the_item_without_a_traceback(store, work, monkeypatch, admin_user, caplog):
    job = jobs.start(kind="make_renditions", user=admin_user, images=[store().pk])
    monkeypatch.setattr(s3, "get_object", lambda *args, **kwargs: 1 / 0)

    work()

    assert _states(job) == [("failed", "internal")]
    assert "division" not in job.items.get().message
    assert "ZeroDivisionError" in caplog.text


def test_an_image_removed_meanwhile_is_skipped(store, work, admin_user):
    image = store()
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk])
    image.delete()

    work()

    assert _states(job) == [("skipped", "gone")]
    assert job.items.get().target.endswith("/photo.jpg")


def test_removal_takes_the_image_and_keeps_the_item(store, work, admin_user):
    job = jobs.start(kind="remove_images", user=admin_user, images=[store().pk])

    work()

    assert not Image.objects.exists()
    assert _states(job) == [("done", "")]


def test_an_unchanged_image_is_not_analysed_twice_unless_asked(store, work, cloud, admin_user):
    image = store(one_face())
    for options, expected in [({}, "done"), ({}, "skipped"), ({"again": True}, "done")]:
        job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk], options=options)
        work()
        assert job.items.get().state == expected


def test_two_who_ask_for_another_analysis_at_the_same_time_get_one(store, work, cloud, admin_user):
    image = store(one_face())
    jobs.start(kind="detect_faces", user=admin_user, images=[image.pk])
    work()
    mark = cloud.access_log.mark()
    again = [
        jobs.start(kind="detect_faces", user=admin_user, images=[image.pk], options={"again": True})
        for _request in range(2)
    ]

    work()

    assert cloud.access_log.operations(mark) == {"DetectFaces": 1}
    assert sorted(_states(job)[0] for job in again) == [("done", ""), ("skipped", "current")]


def test_an_analysis_of_another_object_is_not_the_one_asked_for(store, work, cloud, originals, admin_user):
    image = store(one_face())
    asked = [
        jobs.start(kind="detect_faces", user=admin_user, images=[image.pk], options={"again": True})
        for _request in range(2)
    ]
    runner.run_chunk(asked[0].pk, list(asked[0].items.values_list("pk", flat=True)))
    Image.objects.update(etag="another")

    work()

    assert [_states(job) for job in asked] == [[("done", "")], [("done", "")]]


@pytest.mark.parametrize(("wanted", "address"), [(True, "ann@example.com"), (True, ""), (False, "ann@example.com")])
def test_its_end_is_told_by_email_where_that_is_wanted(
    store, work, originals, settings, admin_user, mailoutbox, django_capture_on_commit_callbacks, wanted, address
):
    settings.JOB_FINISHED_EMAIL = wanted
    User.objects.filter(pk=admin_user.pk).update(email=address)
    images = [store(name=f"{number}.jpg") for number in range(2)]
    s3.put_object(originals.name, images[1].key, b"garbage", content_type="image/jpeg", overwrite=True)
    ids = [image.pk for image in images]
    job = jobs.start(kind="make_renditions", user=admin_user, images=ids, scope="All images")

    with django_capture_on_commit_callbacks(execute=True):
        work()

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert [(mail.to, mail.subject, mail.body) for mail in mailoutbox] == [
        (["ann@example.com"], f"Make renditions is over (job {job})", "All images: 2 items, 1 of them failed.")
    ] * bool(wanted and address)


def test_a_mail_server_that_is_away_fails_nothing(
    store, work, settings, admin_user, django_capture_on_commit_callbacks
):
    settings.JOB_FINISHED_EMAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    job = jobs.start(kind="make_renditions", user=admin_user, images=[store().pk])

    with django_capture_on_commit_callbacks(execute=True) as told:
        work()

    assert told
    job.refresh_from_db()
    assert (job.state, _states(job)) == (Job.State.FINISHED, [("done", "")])


def test_a_job_without_items_is_finished_at_once(db, admin_user):
    job = jobs.start(kind="make_renditions", user=admin_user, images=[])

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert progress(job).percent == 100


def test_a_chunk_over_its_time_hands_the_rest_back(store, settings, admin_user):
    images = [store(name=f"{number}.jpg") for number in range(3)]
    job = jobs.start(kind="make_renditions", user=admin_user, images=[image.pk for image in images])
    settings.JOB_CHUNK_SECONDS = -1

    runner.run_chunk(job.pk, list(job.items.values_list("pk", flat=True)))

    assert OrmQ.objects.count() == 1
    assert set(job.items.values_list("state", flat=True)) == {"queued"}


def test_bucket_sync_is_a_job(originals, work, admin_user, cloud):
    job = jobs.start(kind="sync_buckets", user=admin_user)
    mark = cloud.access_log.mark()
    work()

    item = job.items.get()
    assert item.state == "done", item.message
    pages = -(-Bucket.objects.count() // 1000)  # other tests have left buckets too
    assert cloud.access_log.operations(mark) == {"ListBuckets": pages}
    assert item.requests == {"s3_tier1": pages}


def test_every_kind_has_a_label():
    assert all(str(kind.label) for kind in KINDS.values())


class TestDispatch:
    def test_happens_on_commit_in_chunks(self, originals, admin_user, django_capture_on_commit_callbacks):
        images = [Image.objects.create(bucket=originals, key=f"{n}.jpg", size=1, width=1, height=1) for n in range(25)]
        with django_capture_on_commit_callbacks(execute=True):
            jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in images])
            assert not OrmQ.objects.exists()

        assert OrmQ.objects.count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_a_rolled_back_caller_leaves_no_job(self, admin_user):
        with transaction.atomic():
            jobs.start(kind="sync_buckets", user=admin_user)
            transaction.set_rollback(True)

        assert not Job.objects.exists()
        assert not OrmQ.objects.exists()


@pytest.mark.database
class TestClaim:
    def test_one_of_two_gets_it(self, db):
        item = JobItem.objects.create(job=Job.objects.create(kind="sync_buckets"), target="x")

        assert runner.claim(item.pk)
        assert not runner.claim(item.pk)
        item.refresh_from_db()
        assert item.attempts == 1
        assert item.lease_until > timezone.now()

    def test_a_result_that_comes_after_the_lease_is_not_written_over_the_new_one(self, db, monkeypatch):
        job = Job.objects.create(kind="sync_buckets")
        item = JobItem.objects.create(job=job, target="x")

        def slow(image, options):
            JobItem.objects.filter(pk=item.pk).update(state="done", message="by another worker", attempts=2)
            return runner.Outcome(state=JobItem.State.FAILED, message="too late")

        monkeypatch.setattr(
            attempts,
            "KINDS",
            {
                "sync_buckets": KINDS["sync_buckets"].__class__(
                    slug="sync_buckets", label="x", run=slow, permissions=[], takes_images=False
                )
            },
        )
        runner.run_chunk(job.pk, [item.pk])

        item.refresh_from_db()
        assert item.message == "by another worker"


def test_schedules_are_installed_once(db):
    Schedule.objects.create(name="recover", func="media_catalog.jobs.schedules.recover")
    foreign = Schedule.objects.create(name="other", func="elsewhere.run")
    schedules.install()
    schedules.install()
    foreign.delete()

    assert set(Schedule.objects.values_list("func", flat=True)) == {plan.func for plan in schedules.PLANS.values()}
    assert f"{runner.run_chunk.__module__}.{runner.run_chunk.__name__}" == enqueue.RUN_CHUNK
