"""What was spent, refused and saved, by whom. Names are kept as text: history outlives rows."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .quota import Period, RequestClass


class RequestUsage(models.Model):
    """Who spent how many requests on what, rolled up per day (UTC).

    `estimated` marks what others send (a browser with our link) or what a dead process held: counted, not seen.
    """

    day = models.DateField(_("day"), db_index=True)
    request_class = models.CharField(_("request class"), max_length=20, choices=RequestClass.choices)
    operation = models.CharField(_("operation"), max_length=60)
    bucket = models.CharField(_("bucket"), max_length=63, blank=True)
    username = models.CharField(_("user"), max_length=150, blank=True)
    job_kind = models.CharField(_("job kind"), max_length=40, blank=True)
    job = models.PositiveBigIntegerField(_("job"), default=0, help_text=_("Its number; 0 for none."))
    action = models.CharField(_("action"), max_length=80, blank=True)
    estimated = models.BooleanField(_("estimated"), default=False)
    count = models.PositiveBigIntegerField(_("requests"), default=0)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quota")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "day",
                    "request_class",
                    "operation",
                    "bucket",
                    "username",
                    "job_kind",
                    "job",
                    "action",
                    "estimated",
                ],
                name="request_usage_rollup",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.operation}: {self.count}"


class BlockedRequest(models.Model):
    """A request, or a reservation of several, that a limit refused. Nothing was sent.

    A job may run into a limit with each of its items, and the import with each round: what such work is refused within
    a minute for the same reason is one row, with the number of times.
    """

    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    request_class = models.CharField(_("request class"), max_length=20, choices=RequestClass.choices)
    period = models.CharField(_("period"), max_length=5, choices=Period.choices)
    operation = models.CharField(_("operation"), max_length=60)
    needed = models.PositiveBigIntegerField(_("needed"), default=1)
    left = models.PositiveBigIntegerField(_("left"), default=0)
    limit = models.PositiveBigIntegerField(_("limit"))
    times = models.PositiveBigIntegerField(_("times"), default=1, db_default=1)
    bucket = models.CharField(_("bucket"), max_length=63, blank=True)
    username = models.CharField(_("user"), max_length=150, blank=True)
    job_kind = models.CharField(_("job kind"), max_length=40, blank=True)
    job = models.PositiveBigIntegerField(_("job"), default=0)
    action = models.CharField(_("action"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("refused request")
        verbose_name_plural = _("refused requests")
        ordering = ["-at", "-pk"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.operation}"


class LimitAlert(models.Model):
    """That a limit's threshold (`warn`) or the limit itself was reached: one row for each period, so one alert."""

    class Level(models.TextChoices):
        WARN = "warn", _("Warning threshold reached")
        LIMIT = "limit", _("Limit reached")

    request_class = models.CharField(max_length=20, choices=RequestClass.choices)
    period = models.CharField(max_length=5, choices=Period.choices)
    starts = models.DateField()
    level = models.CharField(max_length=5, choices=Level.choices)
    used = models.PositiveBigIntegerField()
    limit = models.PositiveBigIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request_class", "period", "starts", "level"], name="limit_alert_once"),
        ]

    def __str__(self) -> str:
        return f"{self.request_class} {self.period} {self.starts}: {self.level}"


class SavedRequests(models.Model):
    """Requests that a cache made unnecessary, per day; written in batches, so a process that dies loses a few."""

    day = models.DateField()
    request_class = models.CharField(max_length=20, choices=RequestClass.choices)
    reason = models.CharField(max_length=40)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["day", "request_class", "reason"], name="saved_requests_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.reason}: {self.count}"
