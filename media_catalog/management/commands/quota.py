"""Print the limits and what is used of them."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from media_catalog.models import Period
from media_catalog.quota.summary import LimitSummary, summaries


class Command(BaseCommand):
    help = "Requests used, held and left for each limit, as on the quota page."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="As JSON, for scripts.")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = [_row(entry) for entry in summaries()]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        titles = {
            "request_class": _("class"),
            "period": _("period"),
            "used": _("used"),
            "written_off": _("written off"),
            "held": _("held"),
            "limit": _("limit"),
            "left": _("left"),
            "forecast": _("forecast"),
            "resets": _("resets"),
        }
        table = [list(titles.values()), *([_text(row[name]) for name in titles] for row in rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(titles))]
        for line in table:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _row(entry: LimitSummary) -> dict[str, Any]:
    return {
        "request_class": entry.request_class,
        "period": Period(entry.period).value,
        "used": entry.used,
        "written_off": entry.written_off,
        "held": entry.held,
        "limit": entry.limit,
        "left": entry.left,
        "headroom": entry.headroom,
        "forecast": entry.forecast,
        "runs_out": entry.runs_out.isoformat() if entry.runs_out else None,
        "resets": entry.resets.isoformat(),
        "level": entry.level,
    }


def _text(value: object) -> str:
    return "–" if value is None else str(value)
