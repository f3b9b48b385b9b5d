"""The workers as the product sees them: whether they live, whether they may work, and what runs by the clock."""

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class WorkQueue(models.Model):
    """The queue as a whole: one row, made when somebody first pauses it."""

    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    paused_by = models.CharField(_("paused by"), max_length=150, blank=True)

    ONLY = 1  # its primary key

    class Meta:
        default_permissions = ()
        permissions = [("pause_workqueue", _("Can pause the queue"))]
        constraints = [models.CheckConstraint(name="work_queue_only_one", condition=models.Q(pk=1))]

    def __str__(self) -> str:
        return f"paused by {self.paused_by}" if self.paused_at else "runs"


class Worker(models.Model):
    """A `manage.py worker` command, by host and pid namespace; `beat_at` is its last sign of life."""

    name = models.CharField(max_length=150, unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    beat_at = models.DateTimeField(default=timezone.now, db_index=True)
    busy_at = models.DateTimeField(
        default=timezone.now, help_text=_("When one of its processes last began or ended a task.")
    )
    restarts = models.PositiveIntegerField(default=0, help_text=_("How often it had to start its processes anew."))

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class ScheduleRun(models.Model):
    """How the last run of a schedule went."""

    slug = models.CharField(_("schedule"), max_length=40, unique=True)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    failed = models.BooleanField(_("failed"), default=False)
    result = models.CharField(_("result"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["slug"]
        default_permissions = ("view",)
        permissions = [("run_schedulerun", _("Can run schedules at once"))]

    def __str__(self) -> str:
        return self.slug


class Pace(models.Model):
    """How fast all processes together may ask a service; see quota/pace.py."""

    service = models.CharField(max_length=40, unique=True)
    per_second = models.FloatField()
    next_at = models.DateTimeField(help_text=_("The next request may be sent from then on."))
    slowed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.service}: {self.per_second}/s"

    def rate(self, *, now: datetime, ceiling: float, double_seconds: float) -> float:
        """Requests per second now: doubles each `double_seconds` since it was slowed down, up to the ceiling."""
        if self.slowed_at is None:
            return ceiling
        doublings = min((now - self.slowed_at).total_seconds() / double_seconds, 60)
        return min(ceiling, self.per_second * 2 ** max(doublings, 0))
