"""What a kind of job is, and how its items end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.models import Bucket, Image, Job, JobItem


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an item ended, `message` in words for staff. QUEUED: it did not, and is tried again after `wait` seconds."""

    state: JobItem.State
    message: str
    code: str = ""
    wait: float = 0
    got_on: bool = False  # it is tried again because there is more to do: not an attempt that failed


def _no_requests(options: Mapping[str, Any]) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`run` takes the item's image (None for kinds without) and the job.

    Whoever has one of the `permissions` may have it run. `requests` is the estimate of a kind that takes no images,
    from the options: of what is left to do; `left` is how many things that are, None for a kind that counts none.
    `in_trash_too`: it also takes images that are in the trash.
    """

    slug: str
    label: str | Promise
    run: Callable[[Image | None, Job], Outcome]
    permissions: Sequence[str]
    takes_images: bool = True
    in_trash_too: bool = False
    requests: Callable[[Mapping[str, Any]], Mapping[str, int]] = _no_requests
    left: Callable[[Mapping[str, Any]], int] | None = None


def done(message: str) -> Outcome:
    return Outcome(state=JobItem.State.DONE, message=message)


def skipped(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.SKIPPED, message=message, code=code)


def failed(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.FAILED, message=message, code=code)


def goes_on(message: str) -> Outcome:
    return Outcome(state=JobItem.State.QUEUED, message=message, got_on=True)


def ended(said: str, *, over: bool, failures: Sequence[str]) -> Outcome:
    """Of a turn: it goes on, or ends well or with what could not be done."""
    if not over:
        return goes_on(said)
    if not failures:
        return done(said)
    words = ngettext("%(count)d could not: %(why)s", "%(count)d could not. The first: %(why)s", len(failures))
    message = f"{said} {words % {'count': len(failures), 'why': failures[0]}}"
    return Outcome(state=JobItem.State.FAILED, message=message, code="partly")


def bucket_gone() -> Outcome:
    return skipped(_("The bucket is not in the catalogue any more."), "gone")


def bucket_of(options: Mapping[str, Any]) -> Bucket | None:
    """The bucket that the job is about; None when its row is gone."""
    return Bucket.objects.filter(pk=options["bucket"]).first()
