"""Whether the workers live and the queue moves."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.brokers import get_broker

from media_catalog.models import Worker

from . import holder
from .control import queue_paused

BEAT_SECONDS = 30  # a worker gives a sign of life every 10


def alive(host: str = "") -> int:
    """How many workers have given a sign of life lately, of all hosts or of one (a name as `holder.here` gives)."""
    return living().filter(name__startswith=host).count()


def living() -> QuerySet[Worker]:
    """Those that have given a sign of life lately."""
    return Worker.objects.filter(beat_at__gt=timezone.now() - timedelta(seconds=BEAT_SECONDS))


def problems() -> list[str]:
    """What is wrong with the worker of this host, in sentences; empty when all is well.

    A worker may be at one task for as long as django-q2's `timeout`, so only after `retry` without one begun or ended,
    while tasks wait, it is stuck. What other hosts do is theirs: one that works would hide one that hangs. Where others
    have taken all tasks for so long, a new one may wait for a moment: ask again.
    """
    here = holder.here()
    mine = Worker.objects.filter(name__startswith=here)
    if not alive(here):
        last = mine.order_by("-beat_at").first()
        if last is None:
            return [_("No worker has given a sign of life here.")]
        return [_("The worker has given no sign of life since %(moment)s.") % {"moment": last.beat_at.isoformat()}]
    stuck_since = timezone.now() - timedelta(seconds=settings.Q_CLUSTER["retry"])
    waiting = get_broker().queue_size()
    if waiting and not queue_paused() and not mine.filter(busy_at__gt=stuck_since).exists():
        return [_("The worker is stuck: %(count)d tasks wait, and it has begun none.") % {"count": waiting}]
    return []
