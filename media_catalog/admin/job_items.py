"""The items of a job: the table on its page, and the report as a file."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE
from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.jobs.progress import Progress, progress
from media_catalog.models import Job, JobItem, RequestClass

from .history import log
from .spreadsheets import safe_text

ITEMS_PER_PAGE = 100
ROWS_AT_ONCE = 2000  # of a report, in memory


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which items the query string asks for; what it cannot mean is taken as all."""

    state: str
    text: str

    @classmethod
    def by(cls, request: HttpRequest) -> "Wanted":
        state = request.GET.get("state", "")
        text = request.GET.get("q", "").replace("\x00", "").strip()  # PostgreSQL refuses NUL in a text
        return cls(state=state if state in JobItem.State.values else "", text=text)

    def of(self, job: Job) -> QuerySet[JobItem]:
        items = job.items.order_by("pk")
        items = items.filter(state=self.state) if self.state else items
        return items.filter(target__icontains=self.text) if self.text else items


def page_of(request: HttpRequest, job: Job, so_far: Progress) -> Page:
    """The items that the query string asks for; counted only where the progress does not tell how many there are."""
    wanted = Wanted.by(request)
    paginator = Paginator(_with_trash(wanted.of(job)), ITEMS_PER_PAGE)
    if not wanted.text:
        paginator.count = getattr(so_far, wanted.state) if wanted.state else so_far.total
    return paginator.get_page(request.GET.get("p"))


def _with_trash(items: QuerySet[JobItem]) -> QuerySet[JobItem]:
    """With `trashed_at` of their images, which pages do not lead to then."""
    return items.annotate(trashed_at=F("image__trashed_at"))


def row(item: JobItem) -> dict[str, Any]:
    """What the table shows of an item, for the page and for its script."""
    return {
        "id": item.pk,
        "image": None if getattr(item, "trashed_at", None) else item.image_id,
        "target": item.target,
        "state": item.state,
        "label": item.get_state_display(),
        "message": item.message,
        "code": item.code,
        "next_try": _next_try(item),
        "attempts": item.attempts,
        "duration": _duration(item),
        "requests": sum(item.requests.values()),
    }


def report(request: HttpRequest, job: Job) -> StreamingHttpResponse:
    """The items as CSV, of one state or all; a history entry says who took it."""
    state = Wanted.by(request).state
    so_far = progress(job)
    count = getattr(so_far, state) if state else so_far.total
    said = ngettext("Report of %(count)d item taken.", "Report of %(count)d items taken.", count) % {"count": count}
    log(request, [job], CHANGE, said)
    return StreamingHttpResponse(
        _lines(Wanted(state=state, text="").of(job)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="job-{job.pk}-{state or "items"}.csv"'},
    )


def _next_try(item: JobItem) -> str:
    if item.state != JobItem.State.QUEUED or not item.not_before or item.not_before <= timezone.now():
        return ""
    return _("Next try at %(time)s.") % {"time": date_format(localtime(item.not_before), "H:i:s")}


def _duration(item: JobItem) -> str:
    if item.duration is None:
        return ""
    return _("%(seconds)s s") % {"seconds": number_format(item.duration.total_seconds(), 1)}


class _Echo:
    """A file for the csv module that gives back what is written."""

    def write(self, line: str) -> str:
        return line


def _lines(items: QuerySet[JobItem]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    classes = list(RequestClass.values)
    yield writer.writerow(
        ["item", "image", "state", "code", "result", "attempts", "started", "finished", "seconds", *classes]
    )
    for item in items.iterator(chunk_size=ROWS_AT_ONCE):
        yield writer.writerow(
            [
                safe_text(item.target),
                item.image_id or "",
                item.state,
                item.code,
                safe_text(item.message),
                item.attempts,
                item.started_at.isoformat() if item.started_at else "",
                item.finished_at.isoformat() if item.finished_at else "",
                f"{item.duration.total_seconds():.3f}" if item.duration is not None else "",
                *(item.requests.get(cls, 0) for cls in classes),
            ]
        )
