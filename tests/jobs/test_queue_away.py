"""With the queue away a job that was committed is there all the same, and waits until it can be handed over."""

import json
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django_q.conf import Conf
from django_q.models import OrmQ

from media_catalog.aws import s3, sqs
from media_catalog.jobs import consumer, control, enqueue
from media_catalog.models import Image, Job, Worker
from tests.committing import committing
from tests.lambda_function.events import s3_event, s3_record
from tests.pictures import jpeg

pytestmark = pytest.mark.database
IMAGES = "/admin/media_catalog/image/"
OBSTACLE = "Not handed to the workers yet, as the queue cannot be reached. It is tried again each second."


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Redis as the broker, at a port where nobody listens; calling it brings the queue back."""
    monkeypatch.setattr(Conf, "ORM", None)
    monkeypatch.setattr(Conf, "REDIS", "redis://127.0.0.1:1/0")
    return monkeypatch.undo


def _confirm(client, images):
    fields = {"action": "detect_faces", "_selected_action": images, "select_across": "0"}
    shown = client.post(IMAGES, fields).context
    agreed = {name: shown[name] for name in ("selection", "counted_options")}
    return client.post(IMAGES, {**fields, **agreed, "confirm": "1"})


def _obstacle(client, job: Job) -> str:
    return client.get(f"/admin/media_catalog/job/{job.pk}/progress/").json()["texts"]["obstacle"]


@committing
def test_the_page_of_a_job_says_so_and_the_workers_hand_it_over_later(admin_client, rows, away, caplog):
    Worker.objects.create(name="here:1:1")

    response = _confirm(admin_client, rows(2))

    job = Job.objects.get()
    assert response.url == f"/admin/media_catalog/job/{job.pk}/change/"
    assert list(job.items.values_list("state", "dispatched_at")) == [("queued", None)] * 2
    assert f"not handed to the workers yet: job {job.pk}" in caplog.messages
    assert _obstacle(admin_client, job) == OBSTACLE

    away()
    assert enqueue.dispatch_due() == 2
    assert OrmQ.objects.count() == 1
    assert _obstacle(admin_client, job) == ""


@committing
def test_announced_objects_are_catalogued_and_their_messages_done_with(originals, away):
    s3.put_object(originals.name, "a.jpg", jpeg(), content_type="image/jpeg")
    message = sqs.Message(body=json.dumps(s3_event(s3_record(originals.name, "a.jpg"))), receipt="r")

    assert consumer.take([message]) == [message]

    assert Image.objects.get().key == "a.jpg"
    assert Job.objects.get().items.filter(dispatched_at=None).count() == 1


@committing
def test_the_queue_as_a_whole_goes_on(admin_client, admin_user, rows, away, caplog):
    control.pause_queue(by="anna")
    enqueue.start(kind="detect_faces", user=admin_user, images=rows(1))

    page = admin_client.post("/admin/media_catalog/job/queue/resume/", follow=True)

    assert "The queue goes on." in page.content.decode()
    assert control.queue_paused() is None
    assert "not handed to the workers yet: what waits" in caplog.messages


def test_a_schedule_that_is_to_run_at_once_is_said_not_to(admin_client, away):
    page = admin_client.post("/admin/media_catalog/schedulerun/run/", {"slug": "retention"}, follow=True)

    assert "The queue of the workers cannot be reached, so nothing was started." in page.content.decode()
    assert not LogEntry.objects.exists()
