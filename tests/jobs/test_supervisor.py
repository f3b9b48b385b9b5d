"""What the supervisor writes down; what it does to real clusters is in tests/commands/test_worker.py."""

import pytest

from media_catalog.jobs.supervisor import Supervisor
from media_catalog.models import Worker

pytestmark = pytest.mark.django_db


def test_restarts_of_a_cluster_that_never_lives_for_a_second_are_shown():
    supervisor = Supervisor()
    supervisor._sign_on()
    beat_at = Worker.objects.get().beat_at
    supervisor._start_anew(0)
    supervisor._start_anew(0)

    worker = Worker.objects.get()
    assert (worker.restarts, worker.beat_at) == (2, beat_at)
