"""What pages show in more than one place, and values put into words and geometry for templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from media_catalog.jobs import progress, words
from media_catalog.jobs.progress import Progress
from media_catalog.models import Bucket, Image, Job, RequestClass
from media_catalog.quota import limits, summary
from media_catalog.quota.periods import day_of, next_start
from media_catalog.services import retention_words
from media_catalog.services.annotation import Box, colour
from media_catalog.services.object_keys import visible

register = template.Library()

RECENT_JOBS = 5
SMALLEST_PRICE = 0.0001
register.filter("visible", visible)
LEVELS = {
    "none": _("No limit"),
    "ok": _("Within the limit"),
    "watch": _("Close to the limit"),
    "full": _("Limit reached: further requests are refused"),
}


@register.inclusion_tag("admin/media_catalog/quota_summary.html")
def quota_summary() -> dict[str, Any]:
    """The requests of each class that has a limit or was used, with the level in words."""
    classes = summary.summaries()
    return {
        "classes": [(entry, LEVELS[entry.level]) for entry in classes if entry.limit is not None or entry.used],
        "resets": classes[0].resets,
    }


@register.inclusion_tag("admin/media_catalog/recent_jobs.html", takes_context=True)
def recent_jobs(context: template.RequestContext) -> dict[str, Any]:
    """The latest jobs of the user. Two queries; one when all of them are over."""
    mine = Job.objects.filter(requested_by=context["request"].user.pk)
    jobs = list(mine.defer("options").order_by("-pk")[:RECENT_JOBS])
    found = progress.figures(jobs)
    return {
        "rows": [
            {
                "job": job,
                "title": words.title(job),
                "state": words.state(job, found[job.pk].progress),
                "progress": found[job.pk].progress,
                "summary": words.summary(found[job.pk].progress),
                "rate": words.rate(found[job.pk].speed),
                "moves": progress.moves(job, found[job.pk].progress),
            }
            for job in jobs
        ]
    }


@register.inclusion_tag("admin/media_catalog/own_pages.html", takes_context=True)
def own_pages(context: template.RequestContext) -> dict[str, Any]:
    """Links to the images or files of buckets that have a page of their own. One query."""
    user = context["request"].user
    titled = Bucket.objects.exclude(page_title="").order_by("page_title", "pk")
    places = {Bucket.Role.ORIGINALS.value: "image", Bucket.Role.GENERAL.value: "storedfile"}
    return {
        "pages": [
            (bucket.page_title, f"{reverse(f'admin:media_catalog_{kind}_changelist')}?bucket__id__exact={bucket.pk}")
            for bucket in titled
            if (kind := places.get(bucket.role)) and user.has_perm(f"media_catalog.view_{kind}")
        ]
    }


@register.inclusion_tag("admin/media_catalog/quota_banner.html")
def quota_banner() -> dict[str, Any]:
    """The limits that are reached or close, as they are now. One query, on every page."""
    now = timezone.now()
    return {
        "reached": [
            {
                "label": RequestClass(request_class).label,
                "full": used >= limit.limit,
                "used": used,
                "limit": limit.limit,
                "resets": next_start(period, day_of(now)),
            }
            for request_class, period, limit, used in limits.reached(now)
        ]
    }


@register.filter
def level_in_words(level: str) -> str:
    """A level of a limit in words."""
    return str(LEVELS[level])


register.filter("in_words", words.length)


@register.filter
def get(counts: Mapping[str, int], key: str) -> int:
    """The count of a key, 0 when it has none."""
    return counts.get(key, 0)


@register.filter
def dollars(price: float) -> str:
    """A price in US dollars. What rounds to nothing is not called nothing."""
    if 0 < price < SMALLEST_PRICE:
        return str(_("under $%(price)s") % {"price": number_format(SMALLEST_PRICE, 4)})
    return f"${number_format(price, 4)}"


@register.filter
def grouped(value: int) -> str:
    """A count with its thousands set apart."""
    return number_format(value, force_grouping=True)


register.filter("kind_label", words.kind)
register.filter("until", retention_words.until)


@register.filter
def count_of(so_far: Progress, state: str) -> int:
    """How many items of a job are in a state."""
    count: int = getattr(so_far, state)
    return count


register.filter("face_colour", colour)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """The number label of a face box, in pixels of the picture.

    (x, y) is the point that stays where it is when the style sheet scales the label; `top` is the label's
    upper edge from there: above the box, or inside it when there is no room above.
    """

    x: float
    y: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.width / 2

    @property
    def baseline(self) -> float:
        return self.top + self.height * 0.76

    @property
    def font_size(self) -> float:
        return self.height * 0.74

    @property
    def radius(self) -> float:
        return self.height * 0.18


@register.filter
def chip(box: Box, image: Image) -> Chip:
    """The label of a box: as high as suits the picture, lower on the small faces of a crowd."""
    side = max(image.width, image.height)
    height = min(side * 0.05, max(side * 0.03, box.height * 0.3))
    width = height * (0.45 + 0.5 * len(str(box.face.number)))
    return Chip(
        x=round(max(0.0, min(box.x, image.width - width)), 2),
        y=box.y,
        top=round(-height if box.y >= height else 0.0, 2),
        width=round(width, 2),
        height=round(height, 2),
    )
