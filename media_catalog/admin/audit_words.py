"""What an audit event says, in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.models import AuditEvent, Bucket, Finding, JobItem, Period, RequestClass
from media_catalog.services.object_keys import visible

from .bucket_forms import SettingsForm

_PURPOSE = ("role", "accepts", "renditions_bucket", "originals_bucket")
_OF_BUCKETS: Mapping[str, Any] = {
    name: Bucket._meta.get_field(name)
    for name in (
        "region",
        "role",
        "accepts",
        "renditions_bucket",
        "upload_rule",
        "rule_width",
        "rule_height",
        "resize_engine",
        "page_title",
        "unique_names",
        "inventory_every",
    )
}
NAMES: Mapping[str, str | Promise] = {
    "warn_percent": gettext_lazy("warn at (%)"),
    "source_note": gettext_lazy("about the source"),
    "source_date": gettext_lazy("date of the source"),
    "keep_newest": gettext_lazy("keep newest"),
    "expire_after": gettext_lazy("expire after (seconds)"),
    "on": gettext_lazy("in force"),
    "count": gettext_lazy("objects"),
    "first": gettext_lazy("the first"),
    "finding": gettext_lazy("finding"),
    "key": gettext_lazy("key"),
    **{name: field.verbose_name for name, field in _OF_BUCKETS.items()},
    "originals_bucket": gettext_lazy("renditions of"),
    **{name: field.label or name for name, field in SettingsForm.base_fields.items() if name not in _PURPOSE},
    "cors_origin": gettext_lazy("origin let in by CORS"),
    "entries": gettext_lazy("entries deleted"),
    "kind": gettext_lazy("kind"),
    "scope": gettext_lazy("scope"),
    "requested by": gettext_lazy("requested by"),
    "requested": gettext_lazy("requested"),
    "state": gettext_lazy("state"),
    **{f"{state.value}": state.label for state in JobItem.State},
}
# Of values that stand for something, what they stand for.
CHOICES: Mapping[str, Mapping[Any, Any]] = {
    "finding": dict(Finding.Kind.choices),
    "encryption": dict(SettingsForm.base_fields["encryption"].choices),  # type: ignore[attr-defined]
    **{name: dict(field.flatchoices) for name, field in _OF_BUCKETS.items()},
}


def change(event: AuditEvent) -> str:
    """What became of what: “limit: 2,000 → 3,000”; of what is new, or there is no more: “objects: 12, the first: a”."""
    if event.action == AuditEvent.Action.REFUSED:
        return _refusal(event.after)
    if not (event.before and event.after):
        facts = event.after or event.before
        return ", ".join(f"{_name(name)}: {_said(name, facts[name])}" for name in _in_order(facts))
    changed = [name for name in event.after if event.before.get(name) != event.after[name]]
    gone = [name for name in event.before if name not in event.after]
    return ", ".join(
        f"{_name(name)}: {_said(name, event.before.get(name))} → {_said(name, event.after.get(name))}"
        for name in _in_order(changed + gone)
    )


def _refusal(after: Mapping[str, Any]) -> str:
    """“S3 PUT, COPY, POST, LIST / Month: 12 needed, 3 of 2,000 left; job #7; bucket photos”."""
    said = [_short(short) for short in after.get("limits", ())]
    if after.get("job"):
        said.append(_("job #%(number)d") % {"number": after["job"]})
    if after.get("bucket"):
        said.append(_("bucket %(name)s") % {"name": after["bucket"]})
    return "; ".join(said)


def _short(short: Mapping[str, Any]) -> str:
    labels = {cls.value: cls.label for cls in RequestClass} | {period.value: period.label for period in Period}
    return _("%(cls)s / %(period)s: %(needed)s needed, %(left)s of %(limit)s left") % {
        "cls": labels.get(short["request_class"], short["request_class"]),
        "period": labels.get(short["period"], short["period"]),
        **{name: _value(short[name]) for name in ("needed", "left", "limit")},
    }


def _in_order(names: Iterable[str]) -> list[str]:
    """As NAMES has them: PostgreSQL keeps JSON in an order of its own."""
    order = list(NAMES)
    return sorted(names, key=lambda name: order.index(name) if name in NAMES else len(order))


def _name(name: str) -> str:
    return str(NAMES.get(name, name.replace("_", " ")))


def _said(name: str, value: Any) -> str:
    label = CHOICES.get(name, {}).get(value) if isinstance(value, str | int) else None
    return str(label) if label else _value(value)


def _value(value: Any) -> str:
    """A value of JSON, for people."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return number_format(value, force_grouping=True)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(visible(str(each)) for each in value)
    moment = parse_datetime(str(value)) if "T" in str(value) else None
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else str(value)
