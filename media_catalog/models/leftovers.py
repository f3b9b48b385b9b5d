from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket

FIRST_SWEEP = timedelta(minutes=5)  # longer than a job works on one item


def first_sweep() -> datetime:
    """Who writes a leftover deletes its object at once; the sweep comes when that one must have died."""
    return timezone.now() + FIRST_SWEEP


class Leftover(models.Model):
    """An object that is superfluous and not yet deleted, saved in the transaction that made it so.

    So a process that dies before the DELETE, or a DELETE that fails, leaves a trace for the sweep
    (`services.removal.sweep`). One row for each time that an object became superfluous: a key may be used again.
    """

    bucket = models.ForeignKey(Bucket, models.PROTECT, related_name="+")
    key = models.CharField(max_length=1200)
    created_at = models.DateTimeField(default=timezone.now)
    next_try_at = models.DateTimeField(default=first_sweep, db_index=True)

    class Meta:
        verbose_name = _("leftover")
        verbose_name_plural = _("leftovers")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"
