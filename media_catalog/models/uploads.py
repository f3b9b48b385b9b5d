import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket
from .quota import Reservation

LONGEST_WAIT = timedelta(days=1)  # between two tries of a sweep
# S3 looks at the expiry of a form when its POST begins: one that began in time may take so long to end.
POST_GRACE = timedelta(minutes=15)
UNDECIDED = {"processed_key": "", "outcome__isnull": True}


class UploadQuerySet(models.QuerySet["Upload"]):
    def due(self, now: datetime) -> "UploadQuerySet":
        """Open ones through the server that nobody has finished in time, and for which no later try is set."""
        stale = models.Q(next_try_at=None, created_at__lt=now - timedelta(seconds=settings.UPLOAD_STALE_SECONDS))
        return self.filter(stale | models.Q(next_try_at__lte=now), status=Upload.Status.CREATED, expires_at=None)

    def free(self, now: datetime) -> "UploadQuerySet":
        """Open direct ones that nobody is settling, and for which no later try is set."""
        untaken = models.Q(next_try_at=None) | models.Q(next_try_at__lte=now)
        return self.filter(untaken, status=Upload.Status.CREATED, expires_at__isnull=False)

    def overdue(self, now: datetime) -> "UploadQuerySet":
        """Free ones whose POST cannot come any more."""
        return self.free(now).filter(expires_at__lt=now - POST_GRACE)

    def undecided(self) -> "UploadQuerySet":
        """Those by the API whose image is known, and whose renditions are to come."""
        return self.filter(channel=Upload.Channel.API, status=Upload.Status.COMPLETED, **UNDECIDED)

    def put_off(self, upload: "Upload", now: datetime) -> bool:
        """Set the next try, twice as far away each time; False when the upload is no longer among these.

        Done before a try, so that neither a second sweep nor a crash repeats it too soon.
        """
        later = now + _wait(upload.tries)
        return bool(self.filter(pk=upload.pk).update(tries=models.F("tries") + 1, next_try_at=later))

    def claim(self, upload: "Upload", now: datetime, until: datetime) -> bool:
        """Take an open one for so long, even one whose next try is far away; False when somebody may be at work on it.

        Whoever settles an upload needs less time than that.
        """
        at = upload.next_try_at
        if at and at > now and (at <= until or at - _wait(upload.tries - 1) > now - (until - now)):
            return False  # it is taken, or its last try began a moment ago
        mine = self.filter(pk=upload.pk, status=Upload.Status.CREATED, next_try_at=at)
        return bool(mine.update(next_try_at=until))


def _wait(tries: int) -> timedelta:
    """From a try of a sweep to the next, after so many before."""
    return timedelta(seconds=min(settings.UPLOAD_STALE_SECONDS * 2**tries, LONGEST_WAIT.total_seconds()))


class Upload(models.Model):
    """The intent to write an object, saved before the bytes are sent.

    So a process that dies between the write and the catalogue row leaves a trace, and the sweep
    (`services.uploads.settle_stale`) can finish or undo it. Its bucket and key are taken while it is open.

    One with `expires_at` is direct: the browser sends the bytes to S3 by a signed form that expires then, at the cost
    of units reserved for it, and `services.direct_uploads` settles it.
    """

    class Status(models.TextChoices):
        CREATED = "created", _("Created")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")

    class Channel(models.TextChoices):
        SERVER = "server", _("Through the server")
        PAGE = "page", _("From the upload page, straight to S3")
        API = "api", _("By the API")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="uploads")
    key = models.CharField(max_length=1024)
    name = models.CharField(max_length=255)
    caption = models.CharField(max_length=500, blank=True)  # of a file: its description
    is_file = models.BooleanField(default=False, db_default=False)  # to the files of the catalogue, not its images
    sha256 = models.CharField(max_length=64, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CREATED)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveSmallIntegerField(default=0)  # of the sweep
    next_try_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    reservation = models.ForeignKey(Reservation, models.SET_NULL, null=True, blank=True, related_name="uploads")
    channel = models.CharField(max_length=6, choices=Channel.choices, default=Channel.SERVER)
    # What the Lambda made of an upload by the API; empty and None until it, or the recovery, says so.
    metadata = models.JSONField(default=dict, blank=True)
    processed_key = models.CharField(max_length=1200, blank=True)
    outcome = models.JSONField(null=True, blank=True)  # {"renditions": […]} or {"error": …}; final
    # Ids of those whose requests are counted. The first has counted the POST, too: of the Lambda, or services/posts.py.
    reports = models.JSONField(default=list, blank=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "channel", "-created_at", "-id"], name="upload_own_newest"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(channel="api", status="completed", **UNDECIDED),
                name="upload_undecided",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["bucket", "key"], condition=models.Q(status="created"), name="upload_open_bucket_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.status})"

    @property
    def is_decided(self) -> bool:
        """Whether the API has told, or may tell, the final result."""
        return bool(self.processed_key) or self.outcome is not None

    @property
    def processing_error(self) -> object:
        """What went wrong with an upload by the API, as it was reported; None when nothing did."""
        return (self.outcome or {}).get("error")

    def api_status(self, now: datetime) -> str:
        """What the API answers: completed › error › processing › expired › created."""
        if self.processed_key:
            return "completed"
        if self.outcome is not None:
            return "error"
        if self.status == self.Status.COMPLETED:  # catalogued, so its bytes are there; the renditions are to come
            return "processing"
        over = self.status == self.Status.FAILED or (self.expires_at is not None and self.expires_at <= now)
        return "expired" if over else "created"
