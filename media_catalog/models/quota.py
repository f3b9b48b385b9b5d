from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class RequestClass(models.TextChoices):
    """AWS's price classes of requests, as the quota counts them."""

    S3_TIER1 = "s3_tier1", _("S3 PUT, COPY, POST, LIST")
    S3_TIER2 = "s3_tier2", _("S3 GET and all other")
    REKOGNITION_IMAGE = "rekognition_image", _("Rekognition images")
    FREE = "free", _("Free of charge (DELETE)")


class RequestLimit(models.Model):
    """How many requests of a class may be sent in a calendar month (UTC). No row: no limit."""

    request_class = models.CharField(_("request class"), max_length=20, choices=RequestClass, unique=True)
    limit = models.PositiveBigIntegerField(_("limit per month"), validators=[MinValueValidator(0)])
    source = models.CharField(_("source"), max_length=200, help_text=_("Where the figure comes from."))
    source_date = models.DateField(_("date of the source"), default=timezone.localdate)

    class Meta:
        verbose_name = _("request limit")
        verbose_name_plural = _("request limits")
        ordering = ["-request_class"]

    def __str__(self) -> str:
        return f"{self.get_request_class_display()}: {self.limit}"


class RequestCounter(models.Model):
    """Requests sent in a month: one hot row per class, changed by conditional UPDATE only (quota.meter)."""

    request_class = models.CharField(max_length=20, choices=RequestClass)
    month = models.DateField(help_text=_("The first day of the month, UTC."))
    used = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["request_class", "month"], name="request_counter_month")]

    def __str__(self) -> str:
        return f"{self.request_class} {self.month:%Y-%m}: {self.used}"


class RequestUsage(models.Model):
    """Who spent how many requests on what, rolled up per day (UTC). Names are kept as text: history outlives rows."""

    day = models.DateField()
    request_class = models.CharField(max_length=20, choices=RequestClass)
    operation = models.CharField(max_length=60)
    bucket = models.CharField(max_length=63, blank=True)
    username = models.CharField(max_length=150, blank=True)
    job_kind = models.CharField(max_length=40, blank=True)
    action = models.CharField(max_length=80, blank=True)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["day", "request_class", "operation", "bucket", "username", "job_kind", "action"],
                name="request_usage_rollup",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.operation}: {self.count}"
