"""The page of schedules and workers."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from media_catalog.jobs import schedules
from media_catalog.models import ScheduleRun, Worker

PAGE = "/admin/media_catalog/schedulerun/"


@pytest.fixture
def viewer(client, staff_with):
    user = staff_with("view_schedulerun")
    client.force_login(user)
    return user


def _rows(client) -> dict:
    return {row.plan.slug: row for row in client.get(PAGE).context["rows"]}


def test_every_schedule_is_there_installed_or_not(client, viewer):
    assert list(_rows(client)) == list(schedules.PLANS)
    page = client.get(PAGE).content.decode()
    assert "Never ran" in page
    assert "Not installed" in page

    schedules.install()
    soon = timezone.now() + timedelta(minutes=3)
    Schedule.objects.filter(name="old items").update(next_run=soon)
    assert _rows(client)["old items"].next_run == soon
    assert "Not installed" not in client.get(PAGE).content.decode()


def test_the_last_run_says_how_it_went(client, viewer):
    schedules.beat()
    start = timezone.now()
    ScheduleRun.objects.create(
        slug="quota", started_at=start, finished_at=start + timedelta(seconds=2), failed=True, result="Failed. Look."
    )
    ScheduleRun.objects.create(slug="parked", started_at=start)
    page = client.get(PAGE).content.decode()
    assert ScheduleRun.objects.get(slug="heartbeat").result in page
    assert "Failed. Look." in page
    assert "2.0 s" in page
    rows = _rows(client)
    assert (rows["quota"].seconds, rows["parked"].seconds, rows["old items"].seconds) == (2, None, None)
    assert (rows["heartbeat"].interval, rows["old items"].interval) == ("1 minute", "1 hour")


def test_run_now_is_a_post_with_its_permission(client, viewer, staff_with):
    assert "Run now" not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}run/", {"slug": "old items"}).status_code == 403
    user = staff_with("view_schedulerun", "run_schedulerun")
    client.force_login(user)
    assert "Run now" in client.get(PAGE).content.decode()
    assert client.get(f"{PAGE}run/").status_code == 405
    assert not OrmQ.objects.exists()

    answer = client.post(f"{PAGE}run/", {"slug": "old items"}, follow=True)

    assert "runs as soon as a worker is free" in answer.content.decode()
    assert OrmQ.objects.get().func() == schedules.PLANS["old items"].func
    assert LogEntry.objects.get(user=user).change_message == "Run at once."


@pytest.mark.parametrize("slug", ["", "nonsense", "\x00"])
def test_other_schedules_cannot_be_run(admin_client, db, slug):
    assert admin_client.post(f"{PAGE}run/", {"slug": slug}).status_code == 404
    assert not OrmQ.objects.exists()


def test_workers_and_their_life(client, viewer):
    assert "No worker is running" in client.get(PAGE).content.decode()
    Worker.objects.create(name="alive:1", restarts=3)
    assert "No sign of life" not in client.get(PAGE).content.decode()
    Worker.objects.create(name="dead:1", beat_at=timezone.now() - timedelta(minutes=10))
    page = client.get(PAGE).content.decode()
    for words in ("alive:1", "dead:1", "No sign of life", "Running"):
        assert words in page


def test_it_is_not_for_everybody(client, staff_with):
    client.force_login(staff_with("view_image"))
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()
