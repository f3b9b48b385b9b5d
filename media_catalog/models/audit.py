from typing import Any, NoReturn

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AppendOnly(Exception):
    """An audit row was to be changed or deleted."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_create(self, *args: Any, **kwargs: Any) -> "list[AuditEvent]":
        if kwargs.get("update_conflicts"):
            raise AppendOnly
        return super().bulk_create(*args, **kwargs)

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly


class AuditEvent(models.Model):
    """Who changed what that matters, when and why. Names are text, so that history outlives rows.

    Append-only: triggers of the database refuse all else (migration 0009), and the methods here say so first.
    """

    class Action(models.TextChoices):
        LIMIT_CHANGED = "limit_changed", _("Limit changed")
        OVERRIDE_ADDED = "override_added", _("Temporary limit added")
        OVERRIDE_ENDED = "override_ended", _("Temporary limit ended early")
        REFUSED = "refused", _("Refused by quota")
        JOB_DELETED = "job_deleted", _("Job deleted")
        QUEUE_PAUSED = "queue_paused", _("Queue paused")
        QUEUE_RESUMED = "queue_resumed", _("Queue resumed")
        RETENTION_CHANGED = "retention_changed", _("Retention rule changed")
        RETENTION_ON = "retention_on", _("Retention switched on")
        RETENTION_OFF = "retention_off", _("Retention switched off")
        RETENTION_SWEPT = "retention_swept", _("Removed by the retention rule")
        TRASH_PURGED = "trash_purged", _("Purged from the trash")
        BUCKET_CREATED = "bucket_created", _("Bucket created")
        BUCKET_CHANGED = "bucket_changed", _("Settings of a bucket changed")
        BUCKET_EMPTIED = "bucket_emptied", _("Deleted to empty a bucket")
        BUCKET_DELETED = "bucket_deleted", _("Bucket deleted")
        LEGAL_HOLD_ON = "legal_hold_on", _("Legal hold set")
        LEGAL_HOLD_OFF = "legal_hold_off", _("Legal hold lifted")
        FINDING_QUARANTINED = "finding_quarantined", _("Found, moved to quarantine")
        FINDING_DELETED = "finding_deleted", _("Found, deleted")

    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    username = models.CharField(_("user"), max_length=150, blank=True)
    action = models.CharField(_("action"), max_length=40, choices=Action.choices)
    target = models.CharField(_("object"), max_length=300)
    before = models.JSONField(_("before"), default=dict, blank=True)
    after = models.JSONField(_("after"), default=dict, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ["-at", "-pk"]
        default_permissions = ("view",)
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly
