"""Log lines as JSON objects, one a line, that carry the ids of the request, the user and the job.

What may be logged is listed here, unlike in the libraries for it, which write every extra of a record: Django's extras
are whole requests, with what people searched for. Users appear by number.
"""

import json
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from media_catalog.quota.attribution import current

# PostgreSQL quotes the row in the detail of an error.
_ROW_VALUES = re.compile(r"^DETAIL:.*$", re.MULTILINE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass
class RequestIds:
    """`user` is the account's number, None before it is known and for visitors."""

    request: str
    user: int | None = None


request_ids: ContextVar[RequestIds | None] = ContextVar("request_ids", default=None)


class JsonLines(logging.Formatter):
    """A record as one line of JSON. Further fields are given as `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_personal_data(record.getMessage()),
            **_ids(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = without_personal_data(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def without_personal_data(text: str) -> str:
    """The text without e-mail addresses and without the row that a database error quotes."""
    return _EMAIL.sub("[e-mail]", _ROW_VALUES.sub("DETAIL: [row]", text))


def _ids() -> dict[str, Any]:
    ids, job = request_ids.get(), current().job
    found = {"request_id": ids.request if ids else None, "user_id": ids.user if ids else None, "job_id": job or None}
    return {name: value for name, value in found.items() if value is not None}
