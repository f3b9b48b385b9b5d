from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket
from .images import Image
from .inventory import Scan
from .renditions import Rendition
from .uploads import Upload


class FindingQuerySet(models.QuerySet["Finding"]):
    def live(self) -> "FindingQuerySet":
        """Discrepancies that were there at the last look."""
        return self.filter(state__in=Finding.LIVE)

    def over(self, before: datetime) -> "FindingQuerySet":
        """History: neither seen nor acted on since that moment. What is in quarantine, or may be, is not over."""
        gone = Q(state=Finding.State.GONE, quarantine_key="")
        resolved = Q(state=Finding.State.RESOLVED) & ~Q(action=Finding.Action.QUARANTINE)
        acted = Q(acted_at=None) | Q(acted_at__lt=before)
        return self.filter(gone | resolved, acted, last_seen_at__lt=before)


class Finding(models.Model):
    """Something that the catalogue and a bucket do not agree about, with the evidence. It ends as a row of history."""

    class Kind(models.TextChoices):
        ROW_WITHOUT_OBJECT = "row", _("Row without object")
        OBJECT_WITHOUT_ROW = "object", _("Object without row")
        RENDITION_WITHOUT_ORIGINAL = "rendition", _("Rendition without original")
        STALE_UPLOAD = "upload", _("Stale upload")

    class State(models.TextChoices):
        ONCE = "once", _("Seen once")
        OPEN = "open", _("Open")
        DISMISSED = "dismissed", _("Dismissed")
        RESOLVED = "resolved", _("Resolved")
        GONE = "gone", _("Gone by itself")

    class Action(models.TextChoices):
        ADOPT = "adopt", _("Adopt")
        RECREATE = "recreate", _("Recreate")
        QUARANTINE = "quarantine", _("Quarantine")
        RESTORE = "restore", _("Put back from quarantine")
        DELETE = "delete", _("Delete")
        DISMISS = "dismiss", _("Dismiss")
        REOPEN = "reopen", _("Reopen")

    LIVE = (State.ONCE, State.OPEN, State.DISMISSED)
    CERTAIN = 2  # inventories that must have seen it, one after another

    bucket = models.ForeignKey(
        Bucket, models.CASCADE, verbose_name=_("bucket"), related_name="findings", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    key = models.CharField(_("key"), max_length=1200)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    # No constraint and nothing to do when they go: what was found stays as it was, and their deletion as fast.
    image = models.ForeignKey(
        Image,
        models.DO_NOTHING,
        verbose_name=_("image"),
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
    )
    rendition = models.ForeignKey(
        Rendition,
        models.DO_NOTHING,
        verbose_name=_("rendition"),
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
    )
    upload = models.ForeignKey(
        Upload,
        models.DO_NOTHING,
        verbose_name=_("upload"),
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
    )
    evidence = models.JSONField(_("evidence"), default=dict, help_text=_("What was known of it when it was last seen."))
    scan = models.ForeignKey(
        Scan, models.CASCADE, related_name="+", db_index=False, help_text=_("The last that it was seen in.")
    )
    times_seen = models.PositiveIntegerField(
        _("times seen"), default=1, help_text=_("In inventories one after another.")
    )
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    action = models.CharField(_("action taken"), max_length=10, choices=Action.choices, blank=True)
    acted_by = models.CharField(_("by"), max_length=150, blank=True)
    acted_at = models.DateTimeField(_("when"), null=True, blank=True)
    result = models.TextField(_("result"), blank=True)
    quarantine_key = models.CharField(_("quarantined as"), max_length=1200, blank=True)
    run = models.CharField(max_length=32, blank=True, editable=False, help_text=_("Of the job that last acted on it."))

    objects = FindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ["-last_seen_at", "-pk"]
        default_permissions = ("view",)
        permissions = [
            ("resolve_finding", _("Can recreate, quarantine, put back and dismiss what was found")),
            ("delete_found", _("Can delete what was found")),
        ]
        indexes = [
            models.Index(fields=["-last_seen_at", "-id"], name="finding_newest"),
            models.Index(fields=["bucket", "key"], name="finding_bucket_key"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["bucket", "kind", "key"],
                condition=models.Q(state__in=["once", "open", "dismissed"]),
                name="finding_one_live",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.key}"

    @property
    def is_certain(self) -> bool:
        """Whether more than one inventory has seen it. Of uploads the rows themselves tell, at once."""
        return self.kind == self.Kind.STALE_UPLOAD or self.times_seen >= self.CERTAIN
