from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket
from .files import StoredFile
from .images import Image
from .jobs import Job

FIRST_TRY = timedelta(minutes=5)  # longer than a job works on one item


def first_try() -> datetime:
    """Who writes or changes a row goes on with it at once; the sweep comes when that one must have died."""
    return timezone.now() + FIRST_TRY


class TrashedQuerySet(models.QuerySet["TrashedObject"]):
    def listed(self) -> "TrashedQuerySet":
        """What staff see: not what is restored already."""
        return self.exclude(state=TrashedObject.State.RESTORED)

    def here(self) -> "TrashedQuerySet":
        """What lies in the trash and may be restored or purged."""
        return self.filter(state=TrashedObject.State.TRASHED)

    def interrupted(self, now: datetime) -> "TrashedQuerySet":
        """What was begun and not ended in time."""
        return self.filter(state__in=TrashedObject.UNDER_WAY, next_try_at__lte=now)

    def holding(self, bucket: Bucket | int, keys: "list[str] | set[str]") -> "TrashedQuerySet":
        """What is on its way from or to one of these keys: nobody else may write there meanwhile."""
        going = models.Q(state=TrashedObject.State.MOVING, key__in=keys)
        coming = models.Q(state=TrashedObject.State.RESTORING, restore_key__in=keys)
        return self.filter(going | coming, bucket=bucket)


class TrashedObject(models.Model):
    """An object in the trash of its bucket: where it was, where it lies, and until when.

    The row is saved before the object moves, so a process that dies on the way leaves a trace, and the sweep
    (`services.trash_sweep`) ends what it began. `etag` is that of the object where it lies now.
    """

    class State(models.TextChoices):
        MOVING = "moving", _("Being moved to the trash")
        TRASHED = "trashed", _("In the trash")
        RESTORING = "restoring", _("Being restored")
        RESTORED = "restored", _("Restored")  # its renditions are still to be made
        PURGING = "purging", _("Being purged")

    UNDER_WAY = (State.MOVING, State.RESTORING, State.PURGING)

    bucket = models.ForeignKey(Bucket, models.PROTECT, verbose_name=_("bucket"), related_name="trash")
    key = models.CharField(_("key"), max_length=1024, help_text=_("Where it was."))
    trash_key = models.CharField(_("key in the trash"), max_length=80)
    restore_key = models.CharField(max_length=1024, blank=True)
    etag = models.CharField("ETag", max_length=80)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("In bytes."))
    content_type = models.CharField(_("content type"), max_length=255, blank=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    image = models.OneToOneField(
        Image, models.CASCADE, verbose_name=_("image"), related_name="in_trash", null=True, blank=True
    )
    file = models.OneToOneField(
        StoredFile, models.CASCADE, verbose_name=_("file"), related_name="in_trash", null=True, blank=True
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.MOVING)
    problem = models.TextField(_("problem"), blank=True)
    trashed_at = models.DateTimeField(_("moved to trash"), default=timezone.now)
    trashed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("moved by"),
        null=True,
        blank=True,
        related_name="+",
    )
    trashed_by_name = models.CharField(
        _("moved by"), max_length=150, blank=True, help_text=_("The name of the account, kept when that is gone.")
    )
    purge_at = models.DateTimeField(
        _("purged"), null=True, blank=True, db_index=True, help_text=_("When it is deleted for good; empty: never.")
    )
    job = models.ForeignKey(
        Job, models.SET_NULL, verbose_name=_("job"), null=True, blank=True, related_name="trashed", editable=False
    )
    run = models.CharField(
        max_length=32, blank=True, editable=False, db_index=True, help_text=_("What was last done with it, as one.")
    )
    next_try_at = models.DateTimeField(default=first_try, editable=False)

    objects = TrashedQuerySet.as_manager()

    class Meta:
        verbose_name = _("object in the trash")
        verbose_name_plural = _("trash")
        ordering = ["-trashed_at", "-pk"]
        default_permissions = ("view",)
        permissions = [
            ("restore_trashedobject", _("Can restore objects from the trash")),
            ("purge_trashedobject", _("Can delete objects in the trash for good")),
        ]
        constraints = [models.UniqueConstraint(fields=["bucket", "trash_key"], name="trash_bucket_key")]
        indexes = [
            models.Index(fields=["-trashed_at", "-id"], name="trash_newest"),
            models.Index(
                fields=["next_try_at"],
                name="trash_under_way",
                condition=models.Q(state__in=["moving", "restoring", "restored", "purging"]),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def row(self) -> Image | StoredFile | None:
        """What the catalogue has of it, hidden meanwhile."""
        return self.image or self.file
