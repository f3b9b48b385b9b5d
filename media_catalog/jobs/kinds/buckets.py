"""Jobs on buckets as a whole."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Image, Job
from media_catalog.services import bucket_removal, buckets

from .base import Kind, Outcome, bucket_of, done, goes_on


def _sync_buckets(image: Image | None, job: Job) -> Outcome:
    result = buckets.sync()
    return done(
        _("%(seen)d buckets seen, %(added)d new, %(missing)d missing.")
        % {"seen": result.seen, "added": result.added, "missing": result.missing}
    )


def _empty_bucket(image: Image | None, job: Job) -> Outcome:
    bucket = bucket_of(job.options)
    if bucket is None:
        return done(_("Deleted."))
    turn = bucket_removal.empty_and_delete(bucket, run=job.options["run"])
    said = ngettext("%(count)d entry deleted.", "%(count)d entries deleted.", turn.count) % {"count": turn.count}
    return done(_("%(entries)s The bucket is deleted.") % {"entries": said}) if turn.done else goes_on(said)


def _cost_of_emptying(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = bucket_of(options)
    return bucket_removal.empty_cost(bucket) if bucket else {}


KINDS = (
    Kind(
        slug="sync_buckets",
        label=gettext_lazy("Synchronise buckets"),
        run=_sync_buckets,
        permissions=["media_catalog.sync_bucket"],
        takes_images=False,
        requests=lambda options: buckets.cost_of_sync(),
    ),
    Kind(
        slug="empty_bucket",
        label=gettext_lazy("Empty and delete bucket"),
        run=_empty_bucket,
        permissions=["media_catalog.empty_bucket"],
        takes_images=False,
        requests=_cost_of_emptying,
    ),
)
