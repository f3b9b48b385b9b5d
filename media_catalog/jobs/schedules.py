"""What runs by the clock, as tasks of django-q2: the sweeps of uploads and leftovers."""

import logging

from django.conf import settings
from django.utils.translation import gettext as _
from django_q.models import Schedule

from media_catalog.aws.deadline import deadline
from media_catalog.quota import estimate
from media_catalog.quota.attribution import attribute
from media_catalog.services import removal, renditions, uploads

from .enqueue import start

logger = logging.getLogger(__name__)
EVERY_MINUTE = {
    "settle uploads": "media_catalog.jobs.schedules.settle_uploads",
    "delete leftovers": "media_catalog.jobs.schedules.delete_leftovers",
}


def install() -> None:
    """Create the schedules that are missing and remove those that are no more. Idempotent."""
    Schedule.objects.filter(func__startswith=f"{__name__}.").exclude(func__in=EVERY_MINUTE.values()).delete()
    for name, func in EVERY_MINUTE.items():
        Schedule.objects.update_or_create(
            name=name, defaults={"func": func, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
        )


def settle_uploads() -> int:
    """Finish or undo uploads that a dead process left open; returns how many images became known by it.

    They are new to the catalogue, so one job makes their renditions.
    """
    with attribute(action="settle uploads"):
        found = uploads.settle_stale()
    if found:
        start(
            kind="make_renditions",
            user=None,
            images=found,
            scope=_("Recovered uploads"),
            estimate=estimate.renditions(renditions.missing_counts(found)),
        )
    return len(found)


def delete_leftovers() -> int:
    """Delete objects that nobody needs and that could not be deleted at once; returns how many are settled."""
    with attribute(action="delete leftovers"), deadline(settings.JOB_CHUNK_SECONDS):
        return removal.sweep()
