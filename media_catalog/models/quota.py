"""The quota's tables. Rows of RequestCounter and UnitBlock are changed by quota/ledger.py only."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class RequestClass(models.TextChoices):
    """AWS's price classes of requests, as the quota counts them."""

    S3_TIER1 = "s3_tier1", _("S3 PUT, COPY, POST, LIST")
    S3_TIER2 = "s3_tier2", _("S3 GET and all other")
    REKOGNITION_IMAGE = "rekognition_image", _("Rekognition images")
    LAMBDA_INVOCATION = "lambda_invocation", _("Lambda invocations")
    SQS_REQUEST = "sqs_request", _("SQS requests")
    FREE = "free", _("Free of charge (DELETE)")


class Period(models.TextChoices):
    """What a limit is for. Both begin at midnight UTC."""

    DAY = "day", _("Day")
    MONTH = "month", _("Month")


class RequestLimit(models.Model):
    """How many requests of a class may be sent in a calendar day or month (UTC). No row: no limit."""

    class Source(models.TextChoices):
        SHIPPED = "shipped", _("Shipped default")
        HAND = "hand", _("Set by hand")
        FREE_TIER_API = "free_tier_api", _("AWS Free Tier API")
        SERVICE_QUOTAS = "service_quotas", _("Service Quotas")

    request_class = models.CharField(_("request class"), max_length=20, choices=RequestClass)
    period = models.CharField(_("period"), max_length=5, choices=Period, default=Period.MONTH)
    limit = models.PositiveBigIntegerField(_("limit"))
    headroom = models.PositiveBigIntegerField(
        _("headroom"),
        default=0,
        help_text=_("Kept for interactive work: jobs may not use the last so many requests."),
    )
    warn_percent = models.PositiveSmallIntegerField(
        _("warn at (%)"), default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    source = models.CharField(_("source"), max_length=20, choices=Source.choices, default=Source.HAND)
    source_note = models.CharField(_("about the source"), max_length=200, blank=True)
    source_date = models.DateField(_("date of the source"), default=timezone.localdate)

    class Meta:
        verbose_name = _("request limit")
        verbose_name_plural = _("request limits")
        ordering = ["-request_class", "-period"]
        constraints = [models.UniqueConstraint(fields=["request_class", "period"], name="request_limit_period")]

    def __str__(self) -> str:
        return f"{self.get_request_class_display()} / {self.get_period_display()}"


class LimitOverride(models.Model):
    """Another figure for a limit until a moment; of several that are in force the latest made counts."""

    request_limit = models.ForeignKey(
        RequestLimit, models.CASCADE, verbose_name=_("request limit"), related_name="overrides"
    )
    limit = models.PositiveBigIntegerField(_("limit meanwhile"))
    reason = models.CharField(_("reason"), max_length=300)
    created_by = models.CharField(_("made by"), max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("temporary limit")
        verbose_name_plural = _("temporary limits")
        ordering = ["-created_at", "-pk"]
        default_permissions = ("add", "view", "delete")

    def __str__(self) -> str:
        return f"{self.request_limit}: {self.limit}"


class RequestCounter(models.Model):
    """One hot row per class and period: `used` + `leased` + `reserved` never exceed the limit.

    `used`: sent, or written off. `leased`: in the hands of processes. `reserved`: promised to reservations and not
    yet handed out. `written_off`: the part of `used` that a dead process held, so whether it was sent is not known.
    """

    request_class = models.CharField(max_length=20, choices=RequestClass)
    period = models.CharField(max_length=5, choices=Period)
    starts = models.DateField(help_text=_("The first day of the period, UTC."))
    used = models.PositiveBigIntegerField(default=0)
    leased = models.PositiveBigIntegerField(default=0)
    reserved = models.PositiveBigIntegerField(default=0)
    written_off = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request_class", "period", "starts"], name="request_counter_period"),
        ]

    def __str__(self) -> str:
        return f"{self.request_class} {self.period} {self.starts}: {self.used}"


class Reservation(models.Model):
    """Units promised ahead to a job, presigned uploads or an import, until they end or its lease runs out."""

    class Kind(models.TextChoices):
        JOB = "job", _("Job")
        UPLOAD = "upload", _("Presigned upload")
        IMPORT = "import", _("Import of announced objects")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    username = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["lease_until"], name="reservation_open", condition=models.Q(closed_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class ReservedUnits(models.Model):
    """The part of a reservation in one class, for the day and month that its counters are of.

    `units` = `spent` + `leased` + what is still to be handed out, which the counters hold as reserved.
    """

    reservation = models.ForeignKey(Reservation, models.CASCADE, related_name="lines")
    request_class = models.CharField(max_length=20, choices=RequestClass)
    units = models.PositiveBigIntegerField()
    spent = models.PositiveBigIntegerField(default=0)
    leased = models.PositiveBigIntegerField(default=0)
    day = models.DateField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["reservation", "request_class"], name="reserved_units_class")]

    def __str__(self) -> str:
        return f"{self.request_class}: {self.spent} of {self.units}"


class UnitBlock(models.Model):
    """Units in the hands of one process. A row whose lease has run out belonged to a process that died."""

    process = models.CharField(max_length=100)
    request_class = models.CharField(max_length=20, choices=RequestClass)
    reserved_units = models.ForeignKey(ReservedUnits, models.SET_NULL, null=True, related_name="blocks")
    units = models.PositiveIntegerField()
    day = models.DateField()
    lease_until = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.process} {self.request_class}: {self.units}"
