from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket


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
