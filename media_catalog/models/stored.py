from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import LONGEST_UNIQUE_NAME, Bucket


class StoredObject(models.Model):
    """An object that the catalogue knows: of those in use there is one for each bucket and key.

    Its default manager leaves out what is in the trash; `everything` does not.
    """

    bucket = models.ForeignKey(Bucket, models.PROTECT, verbose_name=_("bucket"), related_name="%(class)ss")
    key = models.CharField(_("key"), max_length=1024)
    etag = models.CharField("ETag", max_length=80)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("In bytes."))
    content_type = models.CharField(_("content type"), max_length=100)
    name = models.CharField(_("name"), max_length=255)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("uploaded by"),
        null=True,
        blank=True,
        related_name="+",
    )
    # Set while the bucket has unique names: the database compares names within one table only.
    unique_name = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(_("uploaded"), default=timezone.now)
    exempt = models.BooleanField(
        _("exempt from retention"),
        default=False,
        db_default=False,
        help_text=_("The retention rules of its bucket leave it alone."),
    )
    missing_since = models.DateTimeField(
        _("missing since"), null=True, blank=True, help_text=_("Since when S3 has no such object.")
    )
    trashed_at = models.DateTimeField(_("moved to trash"), null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.key

    @property
    def expires_at(self) -> datetime | None:
        """When the rule of its bucket that is in force lets it expire; None when none does."""
        seconds = self.bucket.expire_after
        if seconds is None or self.exempt or not self.bucket.retains:
            return None
        return self.created_at + timedelta(seconds=seconds)


def stored_constraints(prefix: str) -> list[models.BaseConstraint]:
    """What holds for every kind of stored object, under names of its own."""
    in_use = models.Q(trashed_at=None)
    return [
        models.UniqueConstraint(fields=["bucket", "key"], condition=in_use, name=f"{prefix}_bucket_key"),
        models.UniqueConstraint(
            fields=["bucket", "name"], condition=in_use & models.Q(unique_name=True), name=f"{prefix}_unique_name"
        ),
        models.CheckConstraint(
            condition=models.Q(unique_name=False) | models.Q(LessThanOrEqual(Length("name"), LONGEST_UNIQUE_NAME)),
            name=f"{prefix}_unique_name_length",
        ),
    ]
