"""The access log of the local cloud: one JSON line for every HTTP request that a client sent.

Written by the server, read by tests that count requests where they arrive:

    mark = log.mark()
    ...
    assert log.operations(mark) == {"GetObject": 1, "PutObject": 5}
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import parse_qs

from localcloud.operations import Request

# At start, a log larger than this makes room: 10 MB are some 50,000 requests.
KEEP_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Entry(Request):
    """One request. `status` is the HTTP status, or 0 without an answer: the client left or the server failed."""

    status: int
    time: datetime

    @property
    def presigned(self) -> bool:
        """Whether the signature (version 4 or 2) is in the URL; POST forms carry theirs in the body."""
        return not parse_qs(self.query).keys().isdisjoint({"X-Amz-Signature", "Signature"})

    def as_json(self) -> str:
        """The line of the log, without its end."""
        return json.dumps(
            {
                "time": self.time.isoformat(timespec="milliseconds"),
                "method": self.method,
                "path": self.path,
                "query": self.query,
                "target": self.target,
                "copy_source": self.copy_source,
                "status": self.status,
            }
        )

    @classmethod
    def from_json(cls, line: str) -> "Entry":
        """The opposite of `as_json`."""
        fields = json.loads(line)
        return cls(**{**fields, "time": datetime.fromisoformat(fields["time"])})


@dataclass(frozen=True)
class AccessLog:
    """Reads the log at `path`. A mark is a place in it: what came later is `since` it."""

    path: Path

    def mark(self) -> int:
        """The end of the log as of now; every request answered so far lies before it."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int = 0) -> list[Entry]:
        """The requests answered after `mark`, in the order of their answers."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(mark)
            # A line without its end is still being written.
            return [Entry.from_json(line.decode()) for line in file if line.endswith(b"\n")]

    def operations(self, mark: int = 0) -> Counter[str]:
        """How many requests of each operation came after `mark`; preflights too."""
        return Counter(entry.operation for entry in self.since(mark))


def open_for_writing(path: Path) -> TextIO:
    """The log to append to, written line by line; a large old one is kept as `<name>.1`."""
    if path.exists() and path.stat().st_size > KEEP_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("a", buffering=1, encoding="utf-8")
