"""Jobs in words, for pages and messages."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.formats import number_format
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
    """“24 a minute, 3 minutes left”; empty for a job that does not run."""
    if speed is None:
        return ""
    per_minute = number_format(speed.per_minute, 0 if speed.per_minute >= 10 else 1, force_grouping=True)
    said = _("%(count)s a minute") % {"count": per_minute}
    if speed.left is None:
        return said
    return _("%(rate)s, %(length)s left") % {"rate": said, "length": length(speed.left)}


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
