"""Counts each AWS request before it is sent, and refuses what would go over a limit.

A request counts as soon as it may leave: alone, by one transaction that commits before it is sent, or from a block of
units that this process took ahead (`leasing`), which touches the database once for many. A process that dies with a
block in hand has it written off as used, so a limit is never exceeded, whatever dies.
"""

import logging
import math
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import date, datetime

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection
from django.utils import timezone

from media_catalog.exceptions import MeterUnavailable, QuotaRefused
from media_catalog.models import ReservedUnits, UnitBlock

from . import alerts, ledger, usage
from .attribution import current
from .books import Books, opened
from .periods import day_of
from .request_classes import classify

logger = logging.getLogger(__name__)
RESERVED_START = 64  # units of a reservation's first block at most: what the renditions of ten images take
LOOK_SECONDS = 1.0  # between two looks at the limit while units are in hand: it may have been lowered
OF_MANY, OF_ONE = 4, 2  # shares of a reservation that several processes work on, or one
_tally: ContextVar[Counter[str] | None] = ContextVar("tally", default=None)
_leasing: ContextVar["Leasing | None"] = ContextVar("leasing", default=None)


def spend(service: str, operation: str, *, estimated: bool = False) -> None:
    """Count one request about to be sent; `estimated` when somebody else will send it and may not.

    Raises QuotaRefused when a limit does not allow it, MeterUnavailable when it cannot be counted, and RuntimeError
    inside a transaction (a programming error). In each case the request must not be sent.
    """
    _refuse_inside_transaction()
    request_class = classify(service, operation)
    now = timezone.now()
    entry = usage.Entry(
        day=day_of(now), request_class=request_class, operation=operation, estimated=estimated, who=current()
    )
    lease = _leasing.get()
    try:
        if lease is None:
            _spend_alone(entry, now)
        else:
            lease.spend(entry, now)
    except DatabaseFailure as error:
        raise MeterUnavailable(str(error)) from error
    tally = _tally.get()
    if tally is not None:
        tally[request_class] += 1


@contextmanager
def tally() -> Iterator[Counter[str]]:
    """Requests counted inside, per class, in this thread; in a tally within this one too."""
    counts: Counter[str] = Counter()
    outer = _tally.get()
    token = _tally.set(counts)
    try:
        yield counts
    finally:
        _tally.reset(token)
        if outer is not None:
            outer.update(counts)


@contextmanager
def leasing(
    reservation: int | None = None, *, needs: Mapping[str, int] | None = None, share: int = OF_MANY
) -> Iterator[None]:
    """Take units in blocks inside, from the reservation first; what is not spent goes back at the end.

    For work of many requests that ends within QUOTA_BLOCK_SECONDS. `needs` is how many of each class it will take by
    what was reserved for it: the first blocks, taken together. Others begin small and double up to QUOTA_BLOCK_SIZE,
    so that little work takes little, and are at most one part in `share` of what the reservation has left: others may
    work on it too, and who dies loses a block.
    """
    lease = Leasing(reservation, needs, share)
    token = _leasing.set(lease)
    try:
        yield
    finally:
        _leasing.reset(token)
        lease.end()


class Leasing:
    """The blocks that one piece of work holds, one for each class."""

    def __init__(self, reservation: int | None, needs: Mapping[str, int] | None = None, share: int = OF_MANY) -> None:
        self._reservation = reservation
        self._needs = {cls: count for cls, count in (needs or {}).items() if count and reservation}
        self._share = share
        self._process = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._blocks: dict[str, UnitBlock] = {}
        self._spent: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()
        self._usage: Counter[usage.Entry] = Counter()
        self._looked: dict[str, float] = {}
        self._lock = threading.Lock()

    def spend(self, entry: usage.Entry, now: datetime) -> None:
        with self._lock:
            block = self._blocks.get(entry.request_class)
            used_up = block is None or self._spent[entry.request_class] >= block.units or block.day != entry.day
            if used_up or self._is_lowered(entry, now):
                self._refill(entry, now)
            self._spent[entry.request_class] += 1
            self._usage[entry] += 1

    def end(self) -> None:
        """Give back what is left. When the database is away the blocks are written off later, as those of the dead."""
        if not self._blocks:
            return
        now = timezone.now()
        try:
            with opened(now, durable=True) as books:
                blocks = self._end_blocks(self._blocks)
                ledger.lock(books, blocks)
                crossings = self._settle(books, blocks)
            alerts.announce(crossings)
        except DatabaseFailure:
            logger.warning("blocks of %s could not be given back", self._process, exc_info=True)

    def _is_lowered(self, entry: usage.Entry, now: datetime) -> bool:
        """Whether the limit was lowered below what is in hands: a look each LOOK_SECONDS, one query.

        What is in hand may be sent while the database is away.
        """
        if time.monotonic() < self._looked.get(entry.request_class, -math.inf) + LOOK_SECONDS:
            return False
        self._looked[entry.request_class] = time.monotonic()
        with suppress(DatabaseFailure):
            return ledger.is_exceeded(entry.request_class, entry.day, now)
        return False

    def _refill(self, entry: usage.Entry, now: datetime) -> None:
        """A new block for the class, the old one settled in the same transaction. Raises QuotaRefused."""
        request_class, day = entry.request_class, entry.day
        taken: list[UnitBlock] = []
        short: ledger.Short | None = None
        with opened(now, durable=True) as books:
            blocks = self._end_blocks([request_class])
            taking = [(cls, day) for cls in {request_class, *(self._needs if not self._taken else [])}]
            lines = ledger.lock(books, blocks, taking=taking, reservation=self._reservation)
            crossings = self._settle(books, blocks)
            try:
                taken = [self._take(books, lines.pop(request_class, None), request_class, day)]
                taken += self._take_ahead(books, lines.values(), day)
            except ledger.Short as error:  # the settling stays
                short = error
        # Only now, with the database's word for it.
        self._forget(request_class)
        for block in taken:
            self._blocks[block.request_class] = block
            self._taken[block.request_class] += 1
            self._looked[block.request_class] = time.monotonic()
        alerts.announce(crossings)
        if short:
            raise _refused(entry, short, now)

    def _take(self, books: Books, line: ReservedUnits | None, request_class: str, day: date) -> UnitBlock:
        block = self._take_reserved(books, line, day) if line else None
        if block is not None:
            return block
        want = min(settings.QUOTA_BLOCK_SIZE, 2 ** self._taken[request_class])
        bulk = bool(current().job_kind)
        return ledger.take_block(books, request_class, day, want=want, bulk=bulk, process=self._process)

    def _take_ahead(self, books: Books, lines: Iterable[ReservedUnits], day: date) -> Iterator[UnitBlock]:
        """What is short is said when it is needed."""
        for line in lines:
            with suppress(ledger.Short):
                if block := self._take_reserved(books, line, day):
                    yield block

    def _take_reserved(self, books: Books, line: ReservedUnits, day: date) -> UnitBlock | None:
        """The job's own units, so a larger start; beyond what this work needs other workers of the job share them."""
        times = self._taken[line.request_class]
        start = min(settings.QUOTA_BLOCK_SIZE, RESERVED_START)
        own = 0 if times else min(start, self._needs.get(line.request_class, 0))
        want = own or min(settings.QUOTA_BLOCK_SIZE, RESERVED_START * 2**times)
        return ledger.take_reserved(books, line, day, own=own, want=want, share=self._share, process=self._process)

    def _end_blocks(self, classes: Iterable[str]) -> list[UnitBlock]:
        """End the blocks of these classes and write down who spent what of them.

        Those that were written off meanwhile are left out: all their units are in the books already.
        """
        blocks = ledger.end_blocks(self._blocks[cls] for cls in classes if cls in self._blocks)
        ended = {block.request_class for block in blocks}
        usage.record({entry: count for entry, count in self._usage.items() if entry.request_class in ended})
        return blocks

    def _settle(self, books: Books, blocks: Iterable[UnitBlock]) -> list[ledger.Crossing]:
        settled = [ledger.settle_block(books, block, spent=self._spent[block.request_class]) for block in blocks]
        return [crossing for crossings in settled for crossing in crossings]

    def _forget(self, request_class: str) -> None:
        self._blocks.pop(request_class, None)
        del self._spent[request_class]
        for entry in [entry for entry in self._usage if entry.request_class == request_class]:
            del self._usage[entry]


def _spend_alone(entry: usage.Entry, now: datetime) -> None:
    try:
        with opened(now, durable=True) as books:
            usage.record({entry: 1})
            crossings = ledger.count_one(books, entry.request_class, entry.day, bulk=bool(entry.who.job_kind))
    except ledger.Short as error:
        raise _refused(entry, error, now) from error
    alerts.announce(crossings)


def _refused(entry: usage.Entry, short: ledger.Short, now: datetime) -> QuotaRefused:
    """The refusal, noted and announced. Several limits may be in the way: the first is named."""
    usage.record_refusal(short.shortfalls, operation=entry.operation, who=entry.who, at=now)
    alerts.announce(ledger.reached(short.shortfalls, entry.day))
    return QuotaRefused(short.shortfalls[0])


def _refuse_inside_transaction() -> None:
    """A count inside a transaction could be rolled back although AWS got the request.

    Django's own check (`durable`) would catch it only where the database is touched, which units in hand avoid.
    """
    blocks = connection.atomic_blocks
    if blocks and not blocks[-1]._from_testcase:  # type: ignore[attr-defined]  # as Django's own check does
        raise RuntimeError("An AWS request may not be made inside a transaction.")
