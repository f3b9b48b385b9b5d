"""Requests that others have sent already, counted afterwards: the Lambda's by its report, and a browser's POST."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from . import alerts, ledger, usage
from .attribution import current
from .books import opened
from .periods import day_of

BY_LAMBDA = "reported by the Lambda"  # the operation of what it has counted itself


@dataclass(frozen=True, kw_only=True)
class Sent:
    """`estimated` when nobody has counted them, as for a browser's."""

    request_class: str
    operation: str
    count: int
    estimated: bool = False


def count(sent: Sequence[Sent], *, reservation: int | None) -> None:
    """Count them, out of the reservation as far as it goes. They have happened, so no limit refuses them.

    May run in the caller's transaction: nothing depends on it being sent.
    """
    now = timezone.now()
    totals: Counter[str] = Counter()
    entries: Counter[usage.Entry] = Counter()
    for each in sent:
        totals[each.request_class] += each.count
        entry = usage.Entry(
            day=day_of(now),
            request_class=each.request_class,
            operation=each.operation,
            estimated=each.estimated,
            who=current(),
        )
        entries[entry] += each.count
    with opened(now) as books:
        usage.record(entries)
        crossings = ledger.count_sent(books, totals, day_of(now), reservation=reservation)
    alerts.announce(crossings)
