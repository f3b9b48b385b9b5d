"""Retention rules, and what they mean for one object, in words."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.models import Bucket

# Seconds of each unit of the form, the longest first.
UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}


def rule(bucket: Bucket) -> str:
    """“The newest 3 are kept. Each is removed 15 minutes after its upload.”; empty without a rule."""
    said = []
    if bucket.keep_newest is not None:
        said.append(
            ngettext("The newest one is kept.", "The newest %(count)s are kept.", bucket.keep_newest)
            % {"count": number_format(bucket.keep_newest, force_grouping=True)}
        )
    if bucket.expire_after is not None:
        said.append(_("Each is removed %(length)s after its upload.") % {"length": life(bucket.expire_after)})
    return " ".join(said)


def life(seconds: int) -> str:
    """“15 minutes”, exact."""
    return _counted(*in_units(seconds))


def in_units(seconds: int) -> tuple[int, str]:
    """The longest unit that divides it."""
    unit = next(name for name, length in UNITS.items() if seconds % length == 0)
    return seconds // UNITS[unit], unit


def until(moment: datetime | None) -> str:
    """“in 12 minutes”, rounded down; “with the next sweep” when it is over; “–” for None."""
    if moment is None:
        return "–"
    left = int((moment - timezone.now()).total_seconds())
    if left < 1:
        return _("with the next sweep")
    unit = next(name for name, length in UNITS.items() if left >= length)
    return _("in %(length)s") % {"length": _counted(left // UNITS[unit], unit)}


def _counted(amount: int, unit: str) -> str:
    texts = {
        "days": ngettext("%(count)s day", "%(count)s days", amount),
        "hours": ngettext("%(count)s hour", "%(count)s hours", amount),
        "minutes": ngettext("%(count)s minute", "%(count)s minutes", amount),
        "seconds": ngettext("%(count)s second", "%(count)s seconds", amount),
    }
    return texts[unit] % {"count": number_format(amount, force_grouping=True)}
