from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .workers import WorkQueue


class Job(models.Model):
    """A background job that somebody asked for. Its progress is that of its items; django-q2 only carries it."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        PARKED = "parked", _("Parked")
        CANCELLED = "cancelled", _("Cancelled")
        FINISHED = "finished", _("Finished")

    ACTIVE = (State.QUEUED, State.RUNNING)
    OVER = (State.CANCELLED, State.FINISHED)

    kind = models.CharField(_("kind"), max_length=40)
    scope = models.TextField(_("scope"), blank=True, help_text=_("What was selected, in words."))
    options = models.JSONField(_("options"), default=dict, blank=True)
    estimate = models.JSONField(_("estimate"), default=dict, blank=True, help_text=_("Requests per class."))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("requested by"),
        null=True,
        blank=True,
        related_name="+",
    )
    requester = models.CharField(
        _("requester"), max_length=150, blank=True, help_text=_("The name of the account, kept when that is gone.")
    )
    retry_of = models.ForeignKey(
        "self", models.SET_NULL, verbose_name=_("retry of"), null=True, blank=True, related_name="retries"
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    token = models.UUIDField(
        null=True, blank=True, unique=True, editable=False, help_text=_("Of the confirmation that started it, once.")
    )
    counts = models.JSONField(
        _("counts"), default=dict, blank=True, help_text=_("Items by state, kept when the job is over.")
    )
    reservation = models.OneToOneField("Reservation", models.SET_NULL, null=True, blank=True, related_name="job")
    parked_until = models.DateTimeField(
        _("parked until"), null=True, blank=True, help_text=_("When the items that did not fit into a limit start.")
    )
    created_at = models.DateTimeField(_("requested"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    heartbeat = models.DateTimeField(
        _("heartbeat"), default=timezone.now, help_text=_("Last dispatch, or a worker's last sign of life.")
    )
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    cancelled_by = models.CharField(_("cancelled by"), max_length=150, blank=True)
    told_at = models.DateTimeField(
        _("told"), null=True, blank=True, help_text=_("When the requester was told that it is over.")
    )

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created_at", "-pk"]
        default_permissions = ("view", "delete")
        permissions = [("control_job", _("Can cancel, pause and retry jobs of others"))]
        indexes = [
            models.Index(
                fields=["requested_by"],
                name="job_untold",
                condition=models.Q(finished_at__isnull=False, told_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER

    @property
    def is_cancelling(self) -> bool:
        """Cancelled, and the last items that had begun are still running."""
        return self.cancelled_at is not None and not self.is_over


class JobItemQuerySet(models.QuerySet["JobItem"]):
    def open(self) -> "JobItemQuerySet":
        return self.filter(state__in=JobItem.OPEN)

    def claim(self, pk: int, *, worker: str, now: datetime, lease_until: datetime) -> bool:
        """Take the item for this process. One conditional UPDATE: of all who try, one gets True.

        Not while its job or the queue is paused. Raises IntegrityError while another item of its image is running.
        """
        # No joins: PostgreSQL looks again at conditions of this very row when it had to wait for it.
        may_run = models.Exists(
            Job.objects.filter(pk=models.OuterRef("job_id"), state__in=Job.ACTIVE, cancelled_at=None)
        )
        return bool(
            self.due(now)
            .filter(may_run, ~models.Exists(WorkQueue.objects.filter(paused_at__isnull=False)), pk=pk)
            .update(
                state=JobItem.State.RUNNING,
                worker=worker,
                lease_until=lease_until,
                started_at=now,
                attempts=models.F("attempts") + 1,
            )
        )

    def due(self, now: datetime) -> "JobItemQuerySet":
        """Those that wait and whose next try, where one is set, has come."""
        return self.filter(models.Q(not_before=None) | models.Q(not_before__lte=now), state=JobItem.State.QUEUED)

    def put_back(self) -> int:
        """Queue the items again, to be dispatched anew; returns how many."""
        return self.update(state=JobItem.State.QUEUED, lease_until=None, worker="", dispatched_at=None)


class JobItem(models.Model):
    """One unit of a job: what it is about, how it went, and what it cost."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        SKIPPED = "skipped", _("Skipped")
        FAILED = "failed", _("Failed")
        PARKED = "parked", _("Parked")
        CANCELLED = "cancelled", _("Cancelled")

    OPEN = (State.QUEUED, State.RUNNING)

    job = models.ForeignKey(Job, models.CASCADE, verbose_name=_("job"), related_name="items")
    image = models.ForeignKey(
        "Image", models.SET_NULL, verbose_name=_("image"), null=True, blank=True, related_name="job_items"
    )
    target = models.CharField(
        _("target"), max_length=1100, help_text=_("What it is about, kept when the image is gone.")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    dispatched_at = models.DateTimeField(
        _("dispatched"), null=True, blank=True, help_text=_("When it was handed to the workers; empty: not on its way.")
    )
    worker = models.CharField(
        _("worker"), max_length=150, blank=True, help_text=_("The process that has it: host, pid and start time.")
    )
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    not_before = models.DateTimeField(
        _("not before"), null=True, blank=True, help_text=_("When it is tried again after a fault that may pass.")
    )
    code = models.CharField(_("code"), max_length=40, blank=True)
    message = models.TextField(_("result"), blank=True)
    requests = models.JSONField(
        _("requests used"),
        default=dict,
        blank=True,
        help_text=_("Per request class, of all attempts but those whose worker was killed; usage has these too."),
    )
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = JobItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("job item")
        verbose_name_plural = _("job items")
        ordering = ["pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["job", "state"], name="jobitem_job_state"),
            models.Index(fields=["state", "dispatched_at"], name="jobitem_state_dispatched"),
            models.Index(
                fields=["image"], name="jobitem_open_image", condition=models.Q(state__in=["queued", "running"])
            ),
            models.Index(fields=["job", "finished_at"], name="jobitem_job_finished"),
        ]
        constraints = [
            # Jobs on the same image take turns: the second finds done what the first has done.
            models.UniqueConstraint(fields=["image"], name="jobitem_one_running", condition=models.Q(state="running")),
        ]

    def __str__(self) -> str:
        return self.target

    @property
    def duration(self) -> timedelta | None:
        """Of the last attempt."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None
