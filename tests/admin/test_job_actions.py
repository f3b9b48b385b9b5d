"""Cancel, pause, resume, retry and delete on the page of a job; and the queue as a whole."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone

from media_catalog import jobs
from media_catalog.admin.confirmation import digest
from media_catalog.models import AuditEvent, Job, JobItem, RequestLimit, Reservation, WorkQueue
from tests.pictures import one_face

LIST = "/admin/media_catalog/job/"
ACTIONS = ["cancel", "pause", "resume", "retry", "delete"]
SUITS = {"cancel": "running", "pause": "running", "resume": "paused", "retry": "finished", "delete": "finished"}


def _job(user, state="running", **fields) -> Job:
    over = {"finished_at": timezone.now()} if state in Job.OVER else {}
    job = Job.objects.create(kind="make_renditions", requested_by=user, state=state, **over, **fields)
    states = ["done", "failed"] if over else ["done", "failed", "queued", "queued"]
    JobItem.objects.bulk_create(JobItem(job=job, target="b/k", state=item) for item in states)
    return job


def _post(client, job, action, **fields):
    return client.post(f"{LIST}{job.pk}/{action}/", fields, follow=True)


def _said(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def _state(job) -> str:
    return Job.objects.get(pk=job.pk).state


def _offered(client, job) -> dict[str, bool]:
    context = client.get(f"{LIST}{job.pk}/change/").context
    return {action.slug: offered for action, offered in context["actions"]}


def test_cancel_asks_first_and_says_what_it_did(admin_client, admin_user):
    job = _job(admin_user, scope="4 images")
    asked = _post(admin_client, job, "cancel")
    for words in ("Items that have not begun will not be started", "4 images", "2 of 4 processed, 1 failed"):
        assert words in asked.content.decode()
    assert _state(job) == "running"

    done = _post(admin_client, job, "cancel", confirm="1")
    assert "2 items will not be started" in _said(done)
    assert _state(job) == "cancelled"
    assert Job.objects.get().cancelled_by == admin_user.username
    assert list(job.items.values_list("state", flat=True)) == ["done", "failed", "cancelled", "cancelled"]
    assert LogEntry.objects.get(object_id=str(job.pk)).change_message == "Cancelled."

    again = _post(admin_client, job, "cancel", confirm="1")
    assert f"Nothing was changed. Job {job}: Cancelled." in _said(again)
    assert LogEntry.objects.count() == 1


def test_what_was_reserved_returns_at_a_cancel(admin_client, admin_user, store, work):
    job = jobs.start(kind="make_renditions", user=admin_user, images=[store().pk])
    _post(admin_client, job, "cancel", confirm="1")
    assert not Reservation.objects.filter(closed_at=None).exists()
    work()
    assert job.items.get().state == "cancelled"


def test_pause_and_resume(admin_client, admin_user):
    job = _job(admin_user)
    assert "Paused: no further item starts" in _said(_post(admin_client, job, "pause"))
    assert "Nothing was changed" in _said(_post(admin_client, job, "pause"))
    assert _state(job) == "paused"
    assert "Resumed" in _said(_post(admin_client, job, "resume"))
    assert "Nothing was changed" in _said(_post(admin_client, job, "resume"))
    assert _state(job) == "queued"
    entries = LogEntry.objects.filter(object_id=str(job.pk)).order_by("pk")
    assert [entry.change_message for entry in entries] == ["Paused.", "Resumed."]
    assert "Paused." in admin_client.get(f"{LIST}{job.pk}/history/").content.decode()


def test_delete_keeps_an_audit_event(admin_client, admin_user):
    job = _job(admin_user, "finished")
    assert "The job goes" in _post(admin_client, job, "delete").content.decode()
    assert Job.objects.exists()
    done = _post(admin_client, job, "delete", confirm="1")
    assert f"Job {job} was deleted." in _said(done)
    assert not JobItem.objects.exists()
    assert AuditEvent.objects.get().action == AuditEvent.Action.JOB_DELETED
    assert LogEntry.objects.get(object_id=str(job.pk)).is_deletion()
    assert "is not there" in _said(_post(admin_client, job, "delete", confirm="1"))


def test_only_what_is_over_is_deleted(admin_client, admin_user):
    job = _job(admin_user)
    assert "Nothing was changed" in _said(_post(admin_client, job, "delete", confirm="1"))
    assert Job.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_are_no_links(admin_client, admin_user, action):
    assert admin_client.get(f"{LIST}{_job(admin_user).pk}/{action}/").status_code == 405


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("who", "permissions", "may"),
    [
        ("requester", [], {"cancel", "pause", "resume"}),
        ("requester", ["make_renditions_image"], {"cancel", "pause", "resume", "retry"}),
        ("requester", ["delete_job"], {"cancel", "pause", "resume", "delete"}),
        ("other", ["view_job"], set()),
        ("other", ["view_job", "make_renditions_image"], set()),
        ("other", ["view_job", "control_job"], {"cancel", "pause", "resume"}),
        ("other", ["view_job", "control_job", "make_renditions_image"], {"cancel", "pause", "resume", "retry"}),
        ("other", ["view_job", "delete_job"], {"delete"}),
    ],
)
def test_who_may_do_what(client, staff_with, admin_user, action, who, permissions, may):
    user = staff_with(*permissions)
    job = _job(user if who == "requester" else admin_user, SUITS[action])
    client.force_login(user)
    offered = _offered(client, job)

    answer = client.post(f"{LIST}{job.pk}/{action}/")

    assert (answer.status_code != 403) == (action in may)
    assert set(offered) == may
    assert offered.get(action, False) == (action in may)


@pytest.mark.parametrize("action", ACTIONS)
def test_jobs_that_one_does_not_see_are_left_alone(client, staff_with, admin_user, action):
    """Whatever else one may do."""
    job = _job(admin_user, SUITS[action])
    user = staff_with("control_job", "delete_job", "make_renditions_image")
    client.force_login(user)
    assert "is not there, or your account may not see it" in _said(_post(client, job, action, confirm="1"))
    assert _state(job) == SUITS[action]
    assert not LogEntry.objects.exists()


class TestRetry:
    @pytest.fixture
    def job(self, store, admin_user):
        """Of three images, two of which failed."""
        images = [store(one_face(), name=f"{number}.jpg") for number in range(3)]
        ids = [image.pk for image in images]
        job = jobs.start(kind="detect_faces", user=admin_user, images=ids, options={"again": True})
        job.items.update(state="done")
        job.items.exclude(image=ids[0]).update(state="failed", code="denied")
        Job.objects.update(state="finished", finished_at=timezone.now())
        return job

    def _confirm(self, client, job, button="confirm"):
        page = _post(client, job, "retry")
        shown = {name: page.context[name] for name in ("selection", "counted_options")}
        return _post(client, job, "retry", **{button: "1"}, **shown)

    def test_the_failed_ones_are_confirmed_with_their_cost_and_run(self, admin_client, admin_user, job, work):
        page = _post(admin_client, job, "retry")
        assert (page.context["count"], page.context["lines"][0].requests) == (2, 2)
        assert page.context["back"] == f"{LIST}{job.pk}/change/"
        assert Job.objects.count() == 1

        done = self._confirm(admin_client, job)

        new = Job.objects.get(retry_of=job)
        assert done.redirect_chain[-1][0] == f"{LIST}{new.pk}/change/"
        assert (new.options, new.requested_by) == ({"again": True}, admin_user)
        work()
        assert list(new.items.values_list("state", flat=True)) == ["done", "done"]
        logged = LogEntry.objects.filter(content_type__model="job", object_id=str(job.pk)).get()
        assert logged.change_message == f"Failed items retried as job {new}."

    def test_what_was_not_shown_is_shown_first(self, admin_client, job):
        selection = digest(list(job.items.values_list("image", flat=True)))
        said = _said(_post(admin_client, job, "retry", confirm="1", selection=selection))
        assert "The selection has changed" in said
        assert Job.objects.count() == 1

    def test_what_fits_runs_and_the_rest_is_parked(self, admin_client, job):
        RequestLimit.objects.filter(request_class="rekognition_image").update(limit=4)  # 3 of them reserved
        assert "Run 1 now, park the rest" in _post(admin_client, job, "retry").content.decode()
        self._confirm(admin_client, job, button="park")
        new = Job.objects.get(retry_of=job)
        assert sorted(new.items.values_list("state", flat=True)) == ["parked", "queued"]

    def test_images_that_are_gone_are_left_out(self, admin_client, job):
        job.items.update(image=None)
        assert "None of the selected images" in _post(admin_client, job, "retry").content.decode()


class TestQueue:
    def _post(self, client, verb):
        return client.post(f"{LIST}queue/{verb}/", follow=True)

    def test_it_is_paused_and_resumed_with_the_permission(self, client, staff_with):
        manager = staff_with("view_job", "pause_workqueue")
        client.force_login(manager)
        assert "Pause the queue" in client.get(LIST).content.decode()
        assert "The queue is paused" in _said(self._post(client, "pause"))
        assert "paused already" in _said(self._post(client, "pause"))
        assert WorkQueue.objects.get().paused_by == manager.username
        assert "Resume the queue" in client.get(LIST).content.decode()
        assert "The queue goes on." in _said(self._post(client, "resume"))
        assert "not paused" in _said(self._post(client, "resume"))
        assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == ["Paused.", "Resumed."]

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_nobody_else_does_it(self, client, staff_with, verb):
        user = staff_with("view_job", "control_job")
        client.force_login(user)
        assert "the queue" not in client.get(LIST).content.decode()
        assert client.post(f"{LIST}queue/{verb}/").status_code == 403
        user.user_permissions.add(Permission.objects.get(codename="pause_workqueue"))
        assert client.get(f"{LIST}queue/{verb}/").status_code == 405
