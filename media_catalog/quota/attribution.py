"""Who spends: a context variable that interfaces and the job runner set, and the meter reads.

Threads do not inherit it: hand it over where work moves to another thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, order=True)
class Attribution:
    """Texts, empty when not known. `action` is the page or command; `job` and `job_kind` are the running job's."""

    username: str = ""
    action: str = ""
    job_kind: str = ""
    job: int = 0
    bucket: str = ""


NOBODY = Attribution()
_current: ContextVar[Attribution] = ContextVar("attribution", default=NOBODY)


def current() -> Attribution:
    return _current.get()


@contextmanager
def attribute(**changes: str | int) -> Iterator[None]:
    """Attribute requests made inside to these fields of Attribution, on top of what is set outside."""
    token = _current.set(replace(_current.get(), **changes))  # type: ignore[arg-type]  # the fields of Attribution
    try:
        yield
    finally:
        _current.reset(token)
