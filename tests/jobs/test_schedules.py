"""Schedules are data, and each run leaves what came of it."""

import pytest
from django.core.management import call_command
from django_q.models import OrmQ, Schedule

from media_catalog.jobs import schedules
from media_catalog.models import ScheduleRun

pytestmark = pytest.mark.django_db


def test_the_command_creates_mends_and_removes(capsys):
    call_command("sync_schedules")
    Schedule.objects.filter(name="quota").update(minutes=30)
    Schedule.objects.create(name="gone", func="media_catalog.jobs.schedules.gone")
    ScheduleRun.objects.create(slug="gone", started_at="2026-01-01T00:00Z")

    call_command("sync_schedules")

    found = Schedule.objects.values_list("name", "func", "minutes")
    assert set(found) == {(plan.slug, plan.func, plan.minutes) for plan in schedules.PLANS.values()}
    assert not ScheduleRun.objects.exists()
    assert f"{len(schedules.PLANS)} schedules installed." in capsys.readouterr().out


@pytest.mark.parametrize("slug", schedules.PLANS)
def test_each_runs_by_its_path_and_says_what_came_of_it(slug):
    module, _dot, name = schedules.PLANS[slug].func.rpartition(".")
    assert module == schedules.__name__

    getattr(schedules, name)()

    run = ScheduleRun.objects.get()
    assert (run.slug, run.failed) == (slug, False)
    assert run.started_at <= run.finished_at
    assert run.result.endswith(".")


def test_a_failure_is_kept_and_raised(monkeypatch):
    schedules.delete_leftovers()
    monkeypatch.setattr(schedules.removal, "sweep", lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        schedules.delete_leftovers()

    run = ScheduleRun.objects.get()
    assert run.failed
    assert "log" in run.result


def test_one_can_be_run_besides_its_time():
    schedules.run_now("quota")
    assert OrmQ.objects.get().func() == schedules.PLANS["quota"].func
