"""Telling people, once for each limit and period, that its threshold or the limit itself is reached."""

import json
import logging
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.core.mail import send_mail
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from media_catalog.models import LimitAlert, Period, RequestClass

from . import limits
from .ledger import Crossing
from .periods import day_of, next_start, starts

# One line of JSON for each alert, fit for a metric filter on {"event": "quota_alert"}.
logger = logging.getLogger("media_catalog.quota.alerts")


def announce(crossings: Iterable[Crossing]) -> None:
    """Make an alert of each crossing that has none yet: a row (the banner), a log line, an e-mail."""
    for crossing in crossings:
        key = {
            "request_class": crossing.request_class,
            "period": crossing.period,
            "starts": crossing.starts,
            "level": crossing.level,
        }
        _row, new = LimitAlert.objects.get_or_create(**key, defaults={"used": crossing.used, "limit": crossing.limit})
        if new:
            _log(crossing)
            _mail(crossing)


def announce_standing(now: datetime) -> None:
    """Alert of what is reached although no request crossed it: the limit was lowered, or a higher one is over.

    A limit of 0 of which nothing is used is left until it refuses.
    """
    today = day_of(now)
    announce(
        Crossing(
            request_class=request_class,
            period=period,
            starts=starts(period, today),
            level=LimitAlert.Level.WARN if used < limit.limit else LimitAlert.Level.LIMIT,
            used=used,
            limit=limit.limit,
        )
        for request_class, period, limit, used in limits.reached(now)
        if used
    )


def _log(crossing: Crossing) -> None:
    fields = {
        "event": "quota_alert",
        "level": crossing.level,
        "request_class": crossing.request_class,
        "period": crossing.period,
        "period_starts": crossing.starts.isoformat(),
        "used": crossing.used,
        "limit": crossing.limit,
    }
    logger.warning(json.dumps(fields))


def _mail(crossing: Crossing) -> None:
    if not settings.QUOTA_ALERT_EMAILS:
        return
    facts = {
        "request_class": RequestClass(crossing.request_class).label,
        "used": crossing.used,
        "limit": crossing.limit,
        "period": Period(crossing.period).label.lower(),
        "reset": date_format(next_start(crossing.period, crossing.starts)),
    }
    if crossing.level == LimitAlert.Level.LIMIT:
        subject = _("Limit reached: %(request_class)s") % facts
        text = _("All %(limit)s requests of this %(period)s are used. Further ones are refused until %(reset)s (UTC).")
    else:
        subject = _("Close to the limit: %(request_class)s") % facts
        text = _("%(used)s of %(limit)s requests of this %(period)s are used. They reset on %(reset)s (UTC).")
    # A mail server that is away must not fail the request that is about to be sent.
    send_mail(subject, text % facts, None, settings.QUOTA_ALERT_EMAILS, fail_silently=True)
