"""What is known of an image's faces, in words: on the list, on the change page and as a filter."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Image

from .base import OfferedFilter


@dataclass(frozen=True, kw_only=True)
class State:
    """`css` names the colour, `short` is for lists, `long` for the change page (with the reason of a failure)."""

    css: str
    short: str
    long: str


def describe(image: Image) -> State:
    """The state of an image fetched `with_queued`, with its analysis."""
    analysis: Analysis | None = getattr(image, "analysis", None)
    if image.queued:  # type: ignore[attr-defined]  # annotated
        return State(css="queued", short=_("Queued"), long=_("Face detection is queued."))
    if analysis is None:
        return State(css="none", short=_("Not analysed"), long=_("Not analysed yet."))
    if analysis.state == Analysis.State.FAILED:
        return State(css="failed", short=_("Failed"), long=_("Failed: %(reason)s") % {"reason": analysis.reason})
    if analysis.state == Analysis.State.NO_FACES:
        return State(css="done", short=_("No faces found"), long=_("No faces found."))
    count = analysis.face_count
    words = ngettext("%(count)d face", "%(count)d faces", count) % {"count": count}
    return State(css="done", short=words, long=words)


class StateFilter(OfferedFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("none", gettext_lazy("Not analysed")),
            ("queued", gettext_lazy("Queued")),
            (Analysis.State.FACES.value, gettext_lazy("Faces found")),
            (Analysis.State.NO_FACES.value, gettext_lazy("No faces found")),
            (Analysis.State.FAILED.value, gettext_lazy("Failed")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        value = self.value()
        if value is None:
            return queryset
        if value == "queued":
            return queryset.filter(queued=True)  # type: ignore[misc]  # annotated
        if value == "none":
            return queryset.filter(analysis=None, queued=False)  # type: ignore[misc]
        return queryset.filter(analysis__state=value, queued=False)  # type: ignore[misc]


class PresenceFilter(OfferedFilter):
    title = gettext_lazy("presence")
    parameter_name = "presence"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("present", gettext_lazy("Present")), ("missing", gettext_lazy("Missing at S3"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        return queryset.filter(missing_since__isnull=self.value() == "present") if self.value() else queryset
