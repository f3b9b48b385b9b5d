"""Jobs in words, for pages and messages."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.models import Job

from .kinds import KINDS
from .progress import Progress, Speed


@dataclass(frozen=True, kw_only=True)
class State:
    """`css` names the colour."""

    css: str
    label: str


def kind(slug: str) -> str:
    """A kind of job; the slug of one that is no more."""
    return str(KINDS[slug].label) if slug in KINDS else slug


def title(job: Job) -> str:
    """“#12 Make renditions”."""
    return f"{job} {kind(job.kind)}"


def state(job: Job, so_far: Progress) -> State:
    """What the job does, which may be less than what was asked of it: the items that have begun still run."""
    if job.is_cancelling:
        return State(css="cancelled", label=_("Cancelling"))
    if job.state == Job.State.PAUSED and so_far.running:
        return State(css="paused", label=_("Pausing"))
    return State(css="failed" if job.is_over and so_far.failed else job.state, label=job.get_state_display())


def summary(so_far: Progress) -> str:
    """“7 of 10 processed, 2 failed”."""
    counts = {
        "over": _grouped(so_far.over),
        "total": _grouped(so_far.total),
        "failed": _grouped(so_far.failed),
    }
    if not so_far.failed:
        return _("%(over)s of %(total)s processed") % counts
    return (
        ngettext(
            "%(over)s of %(total)s processed, %(failed)s failed",
            "%(over)s of %(total)s processed, %(failed)s failed",
            so_far.failed,
        )
        % counts
    )


def rate(speed: Speed | None) -> str:
    """“24 a minute, 3 minutes left”; empty for a job that does not run, and while nothing is processed."""
    if speed is None or speed.left is None:
        return ""
    per_minute = number_format(speed.per_minute, 0 if speed.per_minute >= 10 else 1, force_grouping=True)
    return _("%(count)s a minute, %(length)s left") % {"count": per_minute, "length": length(speed.left)}


def moment(value: datetime | None) -> str:
    """Empty for None."""
    return date_format(localtime(value), "DATETIME_FORMAT") if value else ""


def length(time: timedelta) -> str:
    """“10 days”, “5 hours”, “3 minutes” or “less than a minute”: rounded down to what matters."""
    minutes = int(time.total_seconds() // 60)
    if minutes >= 48 * 60:
        count = minutes // (24 * 60)
        return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
    if minutes >= 60:
        return ngettext("%(count)d hour", "%(count)d hours", minutes // 60) % {"count": minutes // 60}
    if minutes >= 1:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    return _("less than a minute")


def _grouped(count: int) -> str:
    return number_format(count, force_grouping=True)
