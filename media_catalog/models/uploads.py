import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket


class UploadQuerySet(models.QuerySet["Upload"]):
    def due(self, now: datetime) -> "UploadQuerySet":
        """Open ones that the sweep should look at: nobody has finished them in time, and no later try is set."""
        stale = models.Q(next_try_at=None, created_at__lt=now - timedelta(seconds=settings.UPLOAD_STALE_SECONDS))
        return self.filter(stale | models.Q(next_try_at__lte=now), status=Upload.Status.CREATED)


class Upload(models.Model):
    """The intent to write an object, saved before the bytes are sent.

    So a process that dies between the write and the catalogue row leaves a trace, and the sweep
    (`services.uploads.settle_stale`) can finish or undo it. Its bucket and key are taken while it is open.
    """

    class Status(models.TextChoices):
        CREATED = "created", _("Created")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="uploads")
    key = models.CharField(max_length=1024)
    name = models.CharField(max_length=255)
    caption = models.CharField(max_length=500, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CREATED)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveSmallIntegerField(default=0)  # of the sweep
    next_try_at = models.DateTimeField(null=True, blank=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["bucket", "key"], condition=models.Q(status="created"), name="upload_open_bucket_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.status})"
