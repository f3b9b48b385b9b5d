"""Takes S3's announcements from the queue: what arrived is catalogued, and a job makes its renditions.

A message is deleted only after its objects are in the catalogue and the job is committed, both in one transaction;
so a process that dies has it delivered again, and a second delivery finds nothing to do. What fails each time goes to
the dead-letter queue.
"""

import json
import logging
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from django.utils.translation import gettext as _

from media_catalog import s3_events
from media_catalog.aws import sqs
from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket, RequestClass
from media_catalog.quota import reservations
from media_catalog.quota.attribution import attribute
from media_catalog.s3_events import Created
from media_catalog.services import events
from media_catalog.services.arrivals import Arrival
from media_catalog.services.events import Found

from .enqueue import start
from .schedules import HOUSEKEEPING

logger = logging.getLogger(__name__)
# What a round may take. While the limits do not allow it, messages stay in the queue: each delivery is counted there.
ROUND = {RequestClass.SQS_REQUEST.value: 2, RequestClass.S3_TIER2.value: 2 * sqs.AT_ONCE}
PAUSE_SECONDS = 30.0


class _Told(BaseException):
    """Told to stop while nothing but waiting for messages was going on."""


class Consumer:
    """One for each `manage.py consume_events`; several may share the queue. `run` returns on SIGTERM and SIGINT."""

    def __init__(self, queue: sqs.Queue, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._queue = queue
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._interruptible = False

    def run(self) -> None:
        """Rounds until told to stop. Faults of AWS and the database are logged, and tried again after a pause."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)
        with attribute(action="consume_events", job_kind=HOUSEKEEPING):
            while not self._stop.is_set():
                try:
                    self._round()
                except _Told:
                    return
                except (BackofficeError, DatabaseFailure):
                    logger.exception("events not taken")
                    connection.close()
                    self._stop.wait(self._pause_seconds)

    def _round(self) -> None:
        if reservations.missing(ROUND, bulk=True):
            self._stop.wait(self._pause_seconds)
            return
        done = take(self._receive())
        if done:
            sqs.delete(self._queue, done)

    def _receive(self) -> list[sqs.Message]:
        """A long poll, which a signal cuts off: what it would have brought comes again."""
        self._interruptible = True
        try:
            return [] if self._stop.is_set() else sqs.receive(self._queue)
        finally:
            self._interruptible = False

    def _told(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()
        if self._interruptible:
            self._interruptible = False
            raise _Told


def take(messages: Sequence[sqs.Message]) -> list[sqs.Message]:
    """Catalogue what these messages announce and start one job for it; those that are done with."""
    done, found = [], []
    for message in messages:
        try:
            found += _looked(message)
            done.append(message)
        except BackofficeError:  # the others have their turn, and this one comes again
            logger.exception("event not taken: %s", message.body[:2000])
    replaced = [arrival for arrival in _catalogue(found) if arrival.replaced]
    while replaced:
        # Of two that replace each other at the same time, the later to be recorded may be the older.
        again = [_created(arrival) for arrival in replaced if events.has_changed(arrival.image)]
        replaced = [arrival for arrival in _catalogue(_found(again)) if arrival.replaced]
    return done


def _looked(message: sqs.Message) -> list[Found]:
    told = s3_events.read(_decoded(message.body))
    for reason in told.ignored:
        logger.info("event ignored: %s", reason)
    return _found(told.created)


def _found(created: Sequence[Created]) -> list[Found]:
    return [found for each in created if (found := events.look(each))]


def _catalogue(found: Sequence[Found]) -> list[Arrival]:
    """Record them, and start the job of those that are new, or nothing of both."""
    if not found:
        return []
    with transaction.atomic():
        arrivals = [events.record(each) for each in found]
        new = [each.image.pk for each in arrivals if each.new and _is_ours(each.image.bucket)]
        if new:
            start(kind="make_renditions", user=None, images=new, scope=_("Objects that arrived at S3"), park=True)
    return arrivals


def _is_ours(bucket: Bucket) -> bool:
    """Whether the workers make the renditions of its images."""
    return bucket.resize_engine == Bucket.ResizeEngine.WORKER


def _created(arrival: Arrival) -> Created:
    return Created(bucket=arrival.image.bucket.name, key=arrival.image.key, etag="")


def _decoded(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
