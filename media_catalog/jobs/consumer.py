"""Takes S3's announcements from the queue: what arrived is catalogued, and a job makes its renditions. What was
deleted is marked as missing.

A message is deleted only after its objects are in the catalogue and the job is committed, both in one transaction;
so a process that dies has it delivered again, and a second delivery finds nothing to do. What fails each time goes to
the dead-letter queue.
"""

import json
import logging
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from django.utils.translation import gettext as _

from media_catalog import s3_events
from media_catalog.aws import sqs
from media_catalog.exceptions import BackofficeError, QuotaShort
from media_catalog.imaging.apart import at_most
from media_catalog.models import Image, RequestClass, Reservation
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute
from media_catalog.s3_events import Created, Removed
from media_catalog.services import events, function_output, presigned
from media_catalog.services.events import Found
from media_catalog.services.function_output import Output

from .enqueue import start
from .schedules import HOUSEKEEPING

logger = logging.getLogger(__name__)
# What a round may take: a poll that brings messages, their objects, the deletion. It is reserved before the poll: while
# the limits do not allow it, messages stay in the queue, where each delivery is counted.
ROUND = {RequestClass.SQS_REQUEST.value: 2, RequestClass.S3_TIER2.value: 2 * sqs.AT_ONCE}
# Polls that may bring nothing before. With them reserved too, where they fit, an idle consumer leaves the counters
# alone for minutes; together they end within the lease of a block, QUOTA_BLOCK_SECONDS.
IDLE_POLLS = 18
PAUSE_SECONDS = 30.0
DECODING_SECONDS = 120  # for the pictures of a round; what it holds, messages and requests, it holds for longer


class _Told(KeyboardInterrupt):
    """Told to stop while nothing but waiting for messages was going on. Of this class, so that psycopg cleans up."""


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
        """Polls until there are messages, and what they take, out of a reservation; its rest goes back at the end."""
        held = _reserved()
        if held is None:
            self._stop.wait(self._pause_seconds)
            return
        reservation, polls = held
        try:
            with meter.leasing(reservation, share=meter.OF_ONE):
                messages = next(filter(None, (self._receive() for _poll in range(polls))), [])
                if messages:
                    reservations.renew(reservation, seconds=settings.QUOTA_BLOCK_SECONDS)
                    done = take(messages)
                    if done:
                        sqs.delete(self._queue, done)
        finally:
            reservations.drop(reservation)

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


def _reserved() -> tuple[int, int] | None:
    """A reservation (id) for a round, and how many polls it is for; None, which is noted, while the limits allow none.

    One whose process dies is given back when its lease is over.
    """
    for polls in (IDLE_POLLS, 1):
        units = {**ROUND, RequestClass.SQS_REQUEST.value: ROUND[RequestClass.SQS_REQUEST.value] + polls - 1}
        try:
            reservation = reservations.reserve(
                kind=Reservation.Kind.IMPORT, units=units, seconds=settings.QUOTA_BLOCK_SECONDS, bulk=True
            )
        except QuotaShort as error:
            short = error
        else:
            return reservation.pk, polls
    reservations.note_refusal(short, operation="ReceiveMessage")
    return None


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a look at S3 has shown of announced objects."""

    found: Sequence[Found] = ()
    outputs: Sequence[Output] = ()


def take(messages: Sequence[sqs.Message]) -> list[sqs.Message]:
    """Catalogue what these messages announce and start one job for it; those that are done with."""
    with at_most(DECODING_SECONDS):
        return _take(messages)


def _take(messages: Sequence[sqs.Message]) -> list[sqs.Message]:
    done, looked = [], []
    for message in messages:
        try:
            told = _announced(message)
            looked.append(_looked_at(told.created))
            done.append((message, told.removed))
        except BackofficeError:  # the others have their turn, and this one comes again
            logger.exception("event not taken: %s", message.body[:2000])
    replaced = _catalogue(looked)
    while replaced:
        # Of two that replace each other at the same time, the later to be recorded may be the older.
        changed = [image for image in replaced if events.has_changed(image)]
        replaced = _catalogue(
            [_looked_at([Created(bucket=each.bucket.name, key=each.key, etag="")]) for each in changed]
        )
    return [message for message, removed in done if _are_marked(removed)]  # after what came, which may be gone again


def _are_marked(removed: Sequence[Removed]) -> bool:
    try:
        for each in removed:
            events.mark_missing(each)
    except BackofficeError:
        logger.exception("deletions not noted: %s", removed)
        return False
    return True


def _announced(message: sqs.Message) -> s3_events.Message:
    told = s3_events.read(_decoded(message.body))
    for reason in told.ignored:
        logger.info("event ignored: %s", reason)
    return told


def _looked_at(created: Sequence[Created]) -> Looked:
    """The original of a thumbnail may be unknown: the function gets the events of its bucket.

    Uploads by the API are recorded, and their jobs committed, at once.
    """
    outputs = [output for each in created if (output := function_output.look(each))]
    originals = [output.source for output in outputs]
    others = [each for each in created if each.bucket not in {output.bucket.name for output in outputs}]
    unclaimed = [each for each in [*originals, *others] if not presigned.arrived(each, begin=_make_renditions)]
    return Looked(found=[found for each in unclaimed if (found := events.look(each))], outputs=outputs)


def _make_renditions(image: Image) -> None:
    start(kind="make_renditions", user=None, images=[image.pk], scope=_("Uploaded by the API"), park=True)


def _catalogue(looked: Sequence[Looked]) -> list[Image]:
    """Record it all, and start the job of what is new, or nothing of both. Returns the images that were replaced."""
    if not any(each.found or each.outputs for each in looked):
        return []
    with transaction.atomic():
        arrivals = [events.record(found) for each in looked for found in each.found]
        for output in (output for each in looked for output in each.outputs):
            function_output.record(output)
        new = Image.objects.for_workers().filter(pk__in=[each.image.pk for each in arrivals if each.new])
        if ids := list(new.values_list("pk", flat=True)):
            start(kind="make_renditions", user=None, images=ids, scope=_("Objects that arrived at S3"), park=True)
    return [each.image for each in arrivals if each.replaced]


def _decoded(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
