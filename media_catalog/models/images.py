from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket
from .jobs import JobItem


class ImageQuerySet(models.QuerySet["Image"]):
    def for_workers(self) -> "ImageQuerySet":
        """Those whose renditions the workers make when they arrive; the Lambda makes those of the others."""
        return self.filter(bucket__resize_engine=Bucket.ResizeEngine.WORKER)

    def with_queued(self) -> "ImageQuerySet":
        """Annotate `queued`: whether a face detection of the image waits or runs."""
        return self.annotate(
            queued=models.Exists(JobItem.objects.open().filter(image=models.OuterRef("pk"), job__kind="detect_faces"))
        )

    def with_thumbnails(self) -> "ImageQuerySet":
        """Prefetch `thumbnails`: the renditions that pages show, smallest first. One query for a page of images."""
        renditions = apps.get_model("media_catalog", "Rendition")._default_manager.filter(
            preset__slug__in=["thumbnail", "preview"]
        )
        shown = renditions.select_related("preset").order_by("width", "pk")
        return self.prefetch_related(models.Prefetch("renditions", shown, to_attr="thumbnails"))


class Image(models.Model):
    """A catalogued image object. A row exists only while its object does; sizes are of the upright picture."""

    bucket = models.ForeignKey(Bucket, models.PROTECT, verbose_name=_("bucket"), related_name="images")
    key = models.CharField(_("key"), max_length=1024)
    etag = models.CharField("ETag", max_length=80)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("In bytes."))
    content_type = models.CharField(_("content type"), max_length=100)
    format = models.CharField(_("format"), max_length=10)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    orientation = models.PositiveSmallIntegerField(_("EXIF orientation"), default=1)
    frames = models.PositiveIntegerField(_("frames"), default=1, help_text=_("More than one: an animation."))
    name = models.CharField(_("name"), max_length=255)
    caption = models.CharField(_("caption"), max_length=500, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("uploaded by"),
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(_("uploaded"), default=timezone.now)

    objects = ImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["bucket", "key"], name="image_bucket_key")]
        indexes = [models.Index(fields=["-created_at", "-id"], name="image_newest")]
        permissions = [
            ("make_renditions_image", _("Can make renditions")),
            ("detect_faces_image", _("Can detect faces")),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def animated(self) -> bool:
        """Renditions then show the first frame."""
        return self.frames > 1

    @classmethod
    def create_model(cls, processed_key: str, user: Any, metadata: Mapping[str, str], uuid: UUID) -> "Image | None":
        """The result of an upload by the API, for PROCESSED_IMAGE_MODEL: the image of its original.

        That is in the catalogue already. None when it was removed meanwhile.
        """
        upload = apps.get_model("media_catalog", "Upload")._default_manager.filter(uuid=uuid).values("bucket", "key")
        return cls.objects.filter(bucket__in=upload.values("bucket"), key__in=upload.values("key")).first()
