from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket
from .jobs import JobItem
from .stored import StoredObject, stored_constraints


class ImageQuerySet(models.QuerySet["Image"]):
    def for_workers(self) -> "ImageQuerySet":
        """Those whose renditions the workers make when they arrive: not the Lambda's, nor those of unpaired buckets."""
        return self.filter(bucket__resize_engine=Bucket.ResizeEngine.WORKER, bucket__renditions_bucket__isnull=False)

    def with_queued(self) -> "ImageQuerySet":
        """Annotate `queued`: whether a face detection of the image waits or runs."""
        return self.annotate(
            queued=models.Exists(JobItem.objects.open().filter(image=models.OuterRef("pk"), job__kind="detect_faces"))
        )

    def with_renditions(self) -> "ImageQuerySet":
        """Prefetch `made`: the renditions with their presets, narrowest first. One query for a page of images."""
        renditions = apps.get_model("media_catalog", "Rendition")._default_manager
        made = renditions.select_related("preset").order_by("width", "pk")
        return self.prefetch_related(models.Prefetch("renditions", made, to_attr="made"))


class ImageManager(models.Manager["Image"]):
    """Without what is in the trash."""

    def get_queryset(self) -> ImageQuerySet:
        return ImageQuerySet(self.model, using=self._db).filter(trashed_at=None)

    def for_workers(self) -> ImageQuerySet:
        return self.get_queryset().for_workers()

    def with_queued(self) -> ImageQuerySet:
        return self.get_queryset().with_queued()

    def with_renditions(self) -> ImageQuerySet:
        return self.get_queryset().with_renditions()


class Image(StoredObject):
    """A catalogued image object. Sizes are of the upright picture."""

    format = models.CharField(_("format"), max_length=10)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    orientation = models.PositiveSmallIntegerField(_("EXIF orientation"), default=1)
    frames = models.PositiveIntegerField(_("frames"), default=1, help_text=_("More than one: an animation."))
    caption = models.CharField(_("caption"), max_length=500, blank=True)

    objects = ImageManager()
    everything = ImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["-created_at", "-pk"]
        constraints = stored_constraints("image")
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="image_newest"),
            models.Index(fields=["bucket", "-created_at", "-id"], name="image_bucket_newest"),
        ]
        permissions = [
            ("make_renditions_image", _("Can make renditions")),
            ("detect_faces_image", _("Can detect faces")),
            ("exempt_image", _("Can exempt images from retention")),
        ]

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
