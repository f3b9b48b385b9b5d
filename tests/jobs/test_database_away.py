"""A worker that loses its database fails no item: it ends, and what it held is put back."""

import subprocess

import pytest
from django.db import InterfaceError, OperationalError

from media_catalog import jobs
from media_catalog.exceptions import MeterUnavailable
from media_catalog.jobs import holder, recovery, runner
from media_catalog.models import JobItem


def _raises(error):
    def run(*_args):
        raise error

    return run


@pytest.fixture
def item(rows, admin_user) -> JobItem:
    return jobs.start(kind="detect_faces", user=admin_user, images=rows(1)).items.get()


@pytest.mark.parametrize("error", [OperationalError("the connection is closed"), InterfaceError("closed")])
def test_the_process_ends_and_leaves_the_item_to_the_recovery(kind, item, error):
    kind("detect_faces", _raises(error))

    with pytest.raises(SystemExit):
        runner.run_chunk(item.job_id, [item.pk])

    item.refresh_from_db()
    assert (item.state, item.worker) == ("running", holder.me())
    JobItem.objects.update(worker=_dead())
    assert recovery.recover() == 1
    item.refresh_from_db()
    assert (item.state, item.worker, item.attempts) == ("queued", "", 1)


def test_what_could_not_be_counted_is_tried_again(kind, item):
    kind("detect_faces", _raises(MeterUnavailable("away")))

    runner.run_chunk(item.job_id, [item.pk])

    item.refresh_from_db()
    assert (item.state, item.attempts, item.code) == ("queued", 1, MeterUnavailable.code)


def _dead() -> str:
    """The name of a process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as process:
        name = holder.name_of(process.pid)
        process.kill()
    return name
