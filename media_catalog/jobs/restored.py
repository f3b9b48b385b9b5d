"""What follows when objects have come back from the trash: their renditions are made."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.models import Image, Job, TrashedObject

from .enqueue import start


def follow_up(run: str) -> int:
    """Start the job for the renditions of the images that came back with the run; returns how many images."""
    return _follow_up(Q(run=run))


def follow_up_forgotten(now: datetime | None = None) -> int:
    """The same for what a process has left that died before it could; returns how many images."""
    over = Q(job=None) | Q(job__state__in=Job.OVER)
    return _follow_up(over & Q(next_try_at__lte=now or timezone.now()))


def _follow_up(which: Q) -> int:
    count = 0
    while True:
        rows, images = _follow_up_some(which)
        count += images
        if not rows:
            return count


def _follow_up_some(which: Q) -> tuple[int, int]:
    """As many as a job may have, in one transaction: the rows in the trash are gone when the job is there.

    It is parked where it does not fit. Returns how many rows and images.
    """
    with transaction.atomic():
        rows = TrashedObject.objects.filter(which, state=TrashedObject.State.RESTORED).order_by("pk")
        found = dict(rows.values_list("pk", "image")[: settings.JOB_MAX_ITEMS])
        images = [image for image in found.values() if image]
        ids = list(Image.objects.for_workers().filter(pk__in=images).values_list("pk", flat=True))
        if ids:
            start(kind="make_renditions", user=None, images=ids, scope=_("Restored from the trash"), park=True)
        TrashedObject.objects.filter(pk__in=found).delete()
    return len(found), len(ids)
