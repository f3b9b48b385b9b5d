"""A job that is over is told to who asked for it, once."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.models import Job

pytestmark = pytest.mark.database
LIST = "/admin/media_catalog/job/"


@pytest.fixture
def user(client, staff_with):
    user = staff_with("view_image")
    client.force_login(user)
    return user


def _over(user, state="finished", **counts) -> Job:
    return Job.objects.create(
        kind="make_renditions", requested_by=user, state=state, counts=counts, finished_at=timezone.now()
    )


def _told(client, path="/admin/") -> list[tuple[str, str]]:
    """(level, text) of the messages on a page."""
    return [(message.level_tag, str(message)) for message in client.get(path).context["messages"]]


def test_once_with_a_link_and_how_it_went(client, user):
    fine = _over(user, done=3)
    _over(user, done=1, failed=2)
    cancelled = _over(user, "cancelled", cancelled=4)

    levels, texts = zip(*_told(client), strict=True)

    assert levels == ("success", "warning", "warning")
    assert texts[0] == f'<a href="{LIST}{fine.pk}/change/">{fine} Make renditions</a>: Finished. 3 of 3 processed.'
    assert "3 of 3 processed, 2 failed" in texts[1]
    assert f"{cancelled} Make renditions</a>: Cancelled. 0 of 4 processed." in texts[2]
    assert _told(client) == []
    assert not Job.objects.filter(told_at=None).exists()


def test_at_most_five_and_how_many_more(client, user):
    for _number in range(7):
        _over(user, done=1)
    told = _told(client)
    assert len(told) == 6
    assert told[-1] == ("info", f'<a href="{LIST}">2 more of your jobs are over.</a>')
    assert _told(client) == []


def test_nobody_else_is_told_and_nothing_that_still_runs(client, user, admin_user):
    _over(admin_user, done=1)
    Job.objects.create(kind="make_renditions", requested_by=user, state="running")
    assert _told(client) == []
    assert Job.objects.filter(told_at=None).count() == 2


@pytest.mark.parametrize(
    "path", ["{list}{pk}/progress/", "{list}figures/", "/", "/admin/jsi18n/", "/static/x", "/nowhere/"]
)
def test_answers_that_nobody_reads_tell_nothing(client, user, admin_user, path):
    _over(user, done=1)
    other = Job.objects.create(kind="make_renditions", requested_by=user, state="running")
    client.get(path.format(list=LIST, pk=other.pk))
    assert client.post("/admin/password_change/").status_code == 200
    assert Job.objects.filter(told_at=None).count() == 2
    assert len(_told(client)) == 1


@pytest.mark.parametrize("page", ["change", "progress"])
def test_who_looks_at_the_job_needs_no_message(client, user, page):
    job = _over(user, done=1)
    client.get(f"{LIST}{job.pk}/{page}/")
    assert Job.objects.get().told_at
    assert _told(client) == []


def test_looks_of_others_do_not_count(client, admin_client, user):
    job = _over(user, done=1)
    assert admin_client.get(f"{LIST}{job.pk}/change/").status_code == 200
    assert Job.objects.get().told_at is None


def test_with_nothing_to_tell_it_is_one_query(user, settings):
    def queries() -> int:
        client = Client()
        client.force_login(user)
        with CaptureQueriesContext(connection) as made:
            client.get("/admin/password_change/")
        return len(made)

    told = queries()
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.endswith("FinishedJobs")]
    assert told == queries() + 1
