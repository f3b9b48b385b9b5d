"""What a page is about to spend, beside the limits; and what it has spent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.formats import number_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.models import RequestClass
from media_catalog.quota import reservations
from media_catalog.quota.summary import LimitSummary, summaries
from media_catalog.services.sentences import shortfall


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
    """For cost.html: requests of each class, what is left of its limits and the price. `bulk`: a job spends them."""
    counted = {cls: count for cls, count in requests.items() if count}
    limits = [limit for limit in summaries() if limit.request_class in counted]
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
        "cost_short": [shortfall(short) for short in reservations.missing(counted, bulk=bulk)],
    }


def in_words(requests: Mapping[str, int]) -> str:
    """“2 S3 PUT, COPY, POST, LIST and 1 free of charge”; “no requests”."""
    parts = [
        f"{number_format(requests[cls], force_grouping=True)} {_words(cls)}"
        for cls in RequestClass
        if requests.get(cls)
    ]
    return get_text_list(parts, _("and")) if parts else _("no requests")


def spent_in_words(spent: Mapping[str, int]) -> str:
    """“This page cost 1 request (1 S3 PUT, COPY, POST, LIST).”"""
    count = sum(spent.values())
    if not count:
        return _("This page cost no request.")
    said = ngettext(
        "This page cost %(count)d request (%(classes)s).", "This page cost %(count)d requests (%(classes)s).", count
    )
    return said % {"count": count, "classes": in_words(spent)}


def _words(request_class: RequestClass) -> str:
    return _("free of charge") if request_class is RequestClass.FREE else str(request_class.label)
