"""Puts back what dead workers held and what got lost on the way, and hands it over again.

`manage.py worker` does it itself, at its start and while it waits: as a queued task it would stand in the line that it
is there to mend.
"""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from media_catalog.models import Job, JobItem

from . import holder
from .ending import finish_if_done
from .enqueue import RUN_CHUNK, dispatch_due

UPDATE_BATCH = 2000
logger = logging.getLogger(__name__)


def take_over() -> int:
    """`recover`, after chunks that were delivered and not finished are set free for delivery.

    For the start of a worker: its predecessor's chunks would come again only after django-q2's `retry`. If they are
    another living cluster's, they are delivered twice, which is harmless: an item is claimed once.
    """
    if settings.Q_CLUSTER.get("orm"):
        for task in OrmQ.objects.filter(lock__gt=timezone.now()):
            if task.func() == RUN_CHUNK:
                OrmQ.objects.filter(pk=task.pk).update(lock=timezone.now())
    else:
        _put_back_taken()
    return recover()


def recover() -> int:
    """Put back the items of dead workers and of lost tasks, dispatch what is not on its way, finish jobs that are done.

    Returns how many items were put back. Items that wait in the queue are left alone, however long.
    """
    put_back = _put_back_orphans() + _put_back_lost()
    if dispatched := dispatch_due():
        logger.warning("%s items dispatched again", dispatched)
    items = JobItem.objects.open().filter(job=OuterRef("pk"))
    unfinished = Job.objects.exclude(state__in=[*Job.OVER, Job.State.PARKED])
    for job in unfinished.filter(Q(cancelled_at__isnull=False) | ~Exists(items)).values_list("pk", flat=True):
        finish_if_done(job)
    return put_back


def _put_back_orphans() -> int:
    """Items whose process is dead; of other hosts, whose processes cannot be seen, those whose lease has run out.

    A process of this host that is late keeps its item until django-q2's `timeout` ends it: two never work at one.
    """
    now = timezone.now()
    names = JobItem.objects.open().exclude(worker="").order_by().values_list("worker", flat=True).distinct()
    alive = {name: holder.is_alive(name) for name in names}
    dead = [name for name in alive if alive[name] is False]
    living = [name for name in alive if alive[name]]
    expired = Q(state=JobItem.State.RUNNING, lease_until__lt=now) & ~Q(worker__in=living)
    orphans = JobItem.objects.open().filter(Q(worker__in=dead) | expired)
    orphans.filter(state=JobItem.State.RUNNING, attempts__gte=settings.JOB_ITEM_ATTEMPTS).update(
        state=JobItem.State.FAILED,
        code="worker_died",
        message=_("The worker stopped while it worked on this, at the last of its attempts."),
        lease_until=None,
        finished_at=now,
    )
    return orphans.put_back()


def _put_back_taken() -> None:
    """Items that nobody has begun and whose task was handed out: Redis forgets a task then."""
    broker = get_broker()
    tasks: list[dict[str, Any]] = [
        SignedPackage.loads(task) for task in broker.connection.lrange(broker.list_key, 0, -1)
    ]
    there = {item for task in tasks if task["func"] == RUN_CHUNK for item in task["args"][1]}
    waiting = JobItem.objects.filter(state=JobItem.State.QUEUED, worker="", dispatched_at__isnull=False)
    taken = [item for item in waiting.values_list("pk", flat=True) if item not in there]
    for first in range(0, len(taken), UPDATE_BATCH):
        waiting.filter(pk__in=taken[first : first + UPDATE_BATCH]).put_back()


def _put_back_lost() -> int:
    """Items that were handed over long ago when the queue is empty: their task is gone."""
    long_ago = timezone.now() - timedelta(seconds=settings.Q_CLUSTER["retry"])
    lost = JobItem.objects.filter(state=JobItem.State.QUEUED, dispatched_at__lt=long_ago)
    broker = get_broker()
    if not lost.exists() or broker.queue_size() or broker.lock_size():
        return 0
    return lost.put_back()
