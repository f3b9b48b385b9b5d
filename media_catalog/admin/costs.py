"""What a page is about to spend, beside the limits; and what it has spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.exceptions import Shortfall
from media_catalog.jobs import parking
from media_catalog.models import RequestClass
from media_catalog.quota import reservations
from media_catalog.quota.estimate import Turns
from media_catalog.quota.summary import LimitSummary, summaries
from media_catalog.services.sentences import shortfall

# As the price list has them: its first class holds PUT, COPY, POST and LIST, its second GET and all other.
SHORT: Mapping[str, str | Promise] = {
    RequestClass.S3_TIER1.value: gettext_lazy("PUT-class"),
    RequestClass.S3_TIER2.value: gettext_lazy("GET-class"),
    RequestClass.REKOGNITION_IMAGE.value: gettext_lazy("Rekognition"),
    RequestClass.LAMBDA_INVOCATION.value: gettext_lazy("Lambda"),
    RequestClass.FREE.value: gettext_lazy("free"),
}


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """Requests of a class beside a limit of it. `left` is what may be spent on it now; None without a limit."""

    limit: LimitSummary
    requests: int
    left: int | None

    @property
    def short(self) -> int:
        return 0 if self.left is None else max(0, self.requests - self.left)

    @property
    def left_after(self) -> int | None:
        return None if self.left is None else self.left - self.requests


def cost_context(requests: Mapping[str, int], *, bulk: bool = False) -> dict[str, Any]:
    """For cost.html: requests of each class, what is left of its limits and the price.

    `bulk`: a job spends them, which park_button.html offers to park where they do not fit.
    """
    counted = {cls: count for cls, count in requests.items() if count}
    limits = [limit for limit in summaries() if limit.request_class in counted]
    short = reservations.missing(counted, bulk=bulk)
    return {
        "cost_lines": [
            CostLine(
                limit=limit,
                requests=counted[limit.request_class],
                left=limit.left_for_jobs if bulk else limit.left,
            )
            for limit in limits
        ],
        "cost_free": counted.get(RequestClass.FREE, 0),
        "cost_price": sum(settings.REQUEST_PRICES[cls] * count for cls, count in counted.items()),
        "cost_short": [shortfall(each) for each in short],
        **(_parking(Turns(requests=counted), short) if short and bulk else {}),
    }


def left_in_words(requests: Mapping[str, int]) -> list[str]:
    """“1,500 of 2,000 left for jobs before, 1,499 after” of the limit that a job leaves least of; none without one."""
    limited = [limit for limit in summaries() if requests.get(limit.request_class) and limit.left_for_jobs is not None]
    lines = [(limit.left_for_jobs or 0, requests[limit.request_class], limit.limit or 0) for limit in limited]
    if not lines:
        return []
    before, count, limit = min(lines, key=lambda line: line[0] - line[1])
    return [
        _("%(before)s of %(limit)s left for jobs before, %(after)s after")
        % {
            "before": number_format(before, force_grouping=True),
            "limit": number_format(limit, force_grouping=True),
            "after": number_format(before - count, force_grouping=True),
        }
    ]


def _parking(cost: Turns, short: Sequence[Shortfall]) -> dict[str, Any]:
    """What would run now, until when the rest would wait, and for how many resets; no day where no reset helps."""
    until = parking.waits_until(cost, short)
    allowed = reservations.allowances()
    begun = cost.within(reservations.left(short))
    return {
        "cost_never": until is None,
        "cost_parked_until": until.date() if until else None,
        "cost_begun": in_words(begun.requests) if begun else "",
        "cost_resets": max(-(-(each.needed - each.left) // allowed[each.request_class, each.period]) for each in short)
        if until
        else 0,
    }


def in_words(requests: Mapping[str, int]) -> str:
    """“2 PUT-class, 6 GET-class and 2 free requests”; “no requests”."""
    counts = [(requests[cls], words) for cls, words in SHORT.items() if requests.get(cls)]
    if not counts:
        return _("no requests")
    listed = get_text_list(
        [f"{number_format(count, force_grouping=True)} {words}" for count, words in counts], _("and")
    )
    return ngettext("%(listed)s request", "%(listed)s requests", sum(count for count, _words in counts)) % {
        "listed": listed
    }


def spent_in_words(spent: Mapping[str, int]) -> str:
    """“This page cost 1 PUT-class request.”"""
    return _("This page cost %(requests)s.") % {"requests": in_words(spent)}
