"""A job that does not fit into a limit: refused with the numbers, or run as far as it fits and parked."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.exceptions import QuotaShort
from media_catalog.jobs import control, enqueue, schedules
from media_catalog.models import (
    AuditEvent,
    BlockedRequest,
    Bucket,
    Image,
    Job,
    Preset,
    RequestCounter,
    RequestLimit,
    Reservation,
)
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute
from media_catalog.services import detection, renditions, uploads
from tests.pictures import one_face, upload_file

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    moment = {"now": NOW}
    monkeypatch.setattr(timezone, "now", lambda: moment["now"])

    def set_to(now: datetime) -> None:
        moment["now"] = now

    return set_to


def _limit(request_class: str, limit: int, **fields: int) -> None:
    RequestLimit.objects.filter(request_class=request_class).update(limit=limit, **fields)


def _counter(request_class: str, period: str = "month") -> RequestCounter:
    return RequestCounter.objects.filter(request_class=request_class, period=period).latest("starts")


def _held(request_class: str) -> int:
    row = _counter(request_class)
    return row.leased + row.reserved


@pytest.fixture
def faces(store) -> list[Image]:
    return [store(one_face(), name=f"{number}.jpg") for number in range(10)]


def test_a_job_reserves_its_estimate_and_gives_back_the_rest(faces, work, admin_user):
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])
    assert _held("rekognition_image") == 10
    Image.objects.filter(pk=faces[0].pk).delete()

    work()

    assert _held("rekognition_image") == 0
    assert _counter("rekognition_image").used == 9
    job.refresh_from_db()
    assert job.reservation.closed_at is not None


def test_what_does_not_fit_is_refused_with_the_numbers_and_nothing_is_left(faces, admin_user):
    _limit("rekognition_image", 3)

    with pytest.raises(QuotaShort) as refused:
        jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])

    [short] = refused.value.shortfalls
    assert (short.request_class, short.period, short.needed, short.left) == ("rekognition_image", "month", 10, 3)
    assert not Job.objects.exists()
    assert not Reservation.objects.exists()


def test_jobs_leave_the_headroom_alone(faces, admin_user):
    _limit("rekognition_image", 12, headroom=5)

    with pytest.raises(QuotaShort) as refused:
        jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])

    assert refused.value.shortfalls[0].left == 7


def test_parking_runs_what_fits_and_the_rest_after_the_reset(faces, work, cloud, admin_user, clock):
    _limit("rekognition_image", 3)
    clock(NOW)
    mark = cloud.access_log.mark()

    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)
    work()

    job.refresh_from_db()
    assert dict(cloud.access_log.operations(mark)) == {"DetectFaces": 3}
    assert (job.state, job.parked_until) == (Job.State.PARKED, DECEMBER)
    assert job.items.filter(state="done").count() == 3
    parked = job.items.filter(state="parked", code="quota", message__startswith="Refused by quota: Rekognition images")
    assert parked.count() == 7
    assert schedules.start_parked() == 0

    clock(DECEMBER + timedelta(minutes=1))
    _limit("rekognition_image", 100)
    assert schedules.start_parked() == 1
    work()

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert job.items.filter(state="done").count() == 10
    assert dict(cloud.access_log.operations(mark)) == {"DetectFaces": 10}
    assert _counter("rekognition_image").used == 7


def test_what_still_does_not_fit_is_parked_again(faces, work, admin_user, clock):
    _limit("rekognition_image", 4)
    clock(NOW)
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)
    work()

    for month, done in [(DECEMBER, 8), (datetime(2027, 1, 1, 0, 1, tzinfo=UTC), 10)]:
        clock(month)
        schedules.start_parked()
        work()
        assert job.items.filter(state="done").count() == done

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED


def test_nothing_fits_now_is_parked_as_a_whole(faces, admin_user):
    _limit("rekognition_image", 0)

    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)

    job.refresh_from_db()
    assert job.state == Job.State.PARKED
    assert set(job.items.values_list("state", flat=True)) == {"parked"}


@pytest.mark.parametrize(("times", "running"), [(1, 4), (2, 3), (99, 0)])
def test_units_that_others_take_while_a_job_is_parked_do_not_stop_it(faces, admin_user, monkeypatch, times, running):
    """Each time that the job has seen what is left, somebody takes one of it, before the job does."""
    _limit("rekognition_image", 5)
    reserve, looks = reservations.reserve, []

    def reserve_late(**asked: Any) -> Reservation:
        looks.append(asked)
        if 1 < len(looks) <= times + 1:
            reserve(kind=Reservation.Kind.JOB, units={"rekognition_image": 1}, seconds=60, bulk=True)
        return reserve(**asked)

    monkeypatch.setattr(reservations, "reserve", reserve_late)
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)

    assert job.items.filter(state="queued").count() == running
    assert job.items.filter(state="parked").count() == 10 - running


def test_a_parked_job_that_was_paused_meanwhile_stays_paused(faces, admin_user):
    _limit("rekognition_image", 0)
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)
    loaded = Job.objects.get()
    assert control.pause(job)
    _limit("rekognition_image", 10)

    assert enqueue.go_on(loaded) == 0
    job.refresh_from_db()
    assert job.state == Job.State.PAUSED
    assert not job.items.filter(state="queued").exists()


def test_parked_images_are_not_shown_as_queued(faces, admin_user):
    _limit("rekognition_image", 0)
    jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)

    assert not Image.objects.with_queued().filter(queued=True).exists()


def test_a_limit_lowered_in_the_middle_blocks_at_once(faces, work, cloud, admin_user):
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])
    _limit("rekognition_image", 3)
    mark = cloud.access_log.mark()

    work()

    assert dict(cloud.access_log.operations(mark)) == {"DetectFaces": 3}
    refused = job.items.filter(state="parked", code="quota")
    assert refused.count() == 7
    assert all(item.message.startswith("Refused by quota") for item in refused)
    assert _held("rekognition_image") == 0
    job.refresh_from_db()
    assert job.state == Job.State.PARKED


def test_a_raised_limit_lets_parked_items_go_on_before_the_reset(faces, work, admin_user):
    _limit("rekognition_image", 3)
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces], park=True)
    work()
    assert schedules.start_parked() == 0

    _limit("rekognition_image", 10)
    assert schedules.start_parked() == 1
    assert schedules.start_parked() == 0
    work()

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert _counter("rekognition_image").used == 10
    assert _held("rekognition_image") == 0


def test_units_in_another_worker_s_hands_park_an_item_and_come_back(faces, work, admin_user):
    """An exactly fitting job loses no item to a fellow worker's unspent block."""
    _limit("rekognition_image", 10)
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])
    job.refresh_from_db()
    with meter.leasing(job.reservation_id), attribute(job_kind="detect_faces"):
        meter.spend("rekognition", "DetectFaces")
        faces[0].delete()
        work()
    assert job.items.filter(state="parked").exists()

    schedules.start_parked()
    work()

    assert sorted(set(job.items.values_list("state", flat=True))) == ["done", "skipped"]
    assert _counter("rekognition_image").used == 10
    assert _held("rekognition_image") == 0


def test_a_limit_lowered_in_the_middle_is_told_once_with_the_number(faces, work, admin_client, admin_user):
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])
    _limit("rekognition_image", 0)

    work()

    assert list(job.items.order_by().values_list("state", "code").distinct()) == [("parked", "quota")]
    refused = BlockedRequest.objects.get()
    assert (refused.job, refused.operation, refused.times) == (job.pk, "DetectFaces", 10)
    assert AuditEvent.objects.get().after["job"] == job.pk
    shown = admin_client.get(reverse("admin:media_catalog_requestusage_changelist")).content.decode()
    assert '<td class="bo-number">10</td>' in shown


def test_one_bad_parked_job_does_not_keep_the_others(faces, admin_user):
    _limit("rekognition_image", 0)
    ids = [image.pk for image in faces]
    bad, good = (jobs.start(kind="detect_faces", user=admin_user, images=ids, park=True) for _job in range(2))
    Job.objects.filter(pk=bad.pk).update(kind="no-such-kind")
    _limit("rekognition_image", 10)

    assert schedules.start_parked() == 1
    good.refresh_from_db()
    assert good.state == Job.State.QUEUED


def test_reservations_of_waiting_jobs_are_renewed_and_those_of_nobody_end(faces, admin_user):
    job = jobs.start(kind="detect_faces", user=admin_user, images=[image.pk for image in faces])
    job.refresh_from_db()
    Reservation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    assert schedules.keep_quota() == (0, 0)
    assert _held("rekognition_image") == 10

    Job.objects.update(state=Job.State.FINISHED)
    Reservation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert schedules.keep_quota() == (0, 1)
    assert _held("rekognition_image") == 0


@pytest.fixture
def on_hold(originals) -> list[Image]:
    """Images of a bucket under legal hold."""
    names = [f"{originals.name}-held", f"{originals.name}-held-resized"]
    for name in names:
        s3.create_bucket(name, region="us-east-1")
    resized = Bucket.objects.create(name=names[1], role=Bucket.Role.RENDITIONS)
    held = Bucket.objects.create(name=names[0], role=Bucket.Role.ORIGINALS, renditions_bucket=resized, legal_hold=True)
    return [
        uploads.store(file=upload_file(one_face()), name="held.jpg", caption="", bucket=held, user=None)
        for _number in range(4)
    ]


def _complete(image: Image) -> None:
    renditions.make(image=image)


def _partly_made(image: Image) -> None:
    renditions.make(image=image)
    for rendition in image.renditions.filter(preset__slug__in=["medium", "high"]):
        s3.delete_object(rendition.bucket.name, rendition.key)
        rendition.delete()


def _analysed(image: Image) -> None:
    detection.detect(image=image)


def _unreadable(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(size=16 * 1024 * 1024)


def _lost(image: Image) -> None:
    s3.delete_object(image.bucket.name, image.key)
    Image.objects.filter(pk=image.pk).update(missing_since=timezone.now())


def _new(image: Image) -> None:
    """As it was uploaded."""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["make_renditions", "detect_faces", "remove_images"])
def test_estimate_is_what_is_measured(faces, on_hold, work, cloud, admin_user, kind, seed):
    """Over random selections of images of every sort, some made before a preset was changed."""
    chance = random.Random(seed)
    for number, image in enumerate([*faces, *on_hold]):
        for sort in chance.choice(
            [[_complete], [_partly_made], [_analysed], [_unreadable], [_lost], [_complete, _lost], [_new]]
        ):
            sort(image)
        if number == 5:
            Preset.objects.filter(slug__in=["low", "thumbnail"]).update(version=2, quality=70)
    selected = chance.sample([*faces, *on_hold], chance.randint(3, 10))
    mark = cloud.access_log.mark()

    job = jobs.start(
        kind=kind,
        user=admin_user,
        images=[image.pk for image in selected],
        options={"again": chance.random() < 0.5},
    )
    work()

    measured: dict[str, int] = {}
    for requests in job.items.values_list("requests", flat=True):
        measured = {name: measured.get(name, 0) + requests.get(name, 0) for name in measured | requests}
    assert measured == {name: count for name, count in job.estimate.items() if count}
    assert sum(measured.values()) == sum(cloud.access_log.operations(mark).values())
    for row in RequestCounter.objects.all():
        assert (row.leased, row.reserved) == (0, 0)
