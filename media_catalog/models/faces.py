from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .images import Image


class AnalysisQuerySet(models.QuerySet["Analysis"]):
    def current(self) -> "AnalysisQuerySet":
        """With an answer, for the object as it is now."""
        return self.filter(source_etag=models.F("image__etag")).exclude(state=Analysis.State.FAILED)


class Analysis(models.Model):
    """The latest face detection of an image.

    That one waits or runs is not stored here: open job items say it (`ImageQuerySet.with_queued`), so a row
    can never claim to be queued when nothing is.
    """

    class State(models.TextChoices):
        FACES = "faces", _("Faces found")
        NO_FACES = "no_faces", _("No faces found")
        FAILED = "failed", _("Failed")

    image = models.OneToOneField(Image, models.CASCADE, verbose_name=_("image"), related_name="analysis")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, db_index=True)
    reason = models.TextField(_("reason"), blank=True)
    face_count = models.PositiveIntegerField(_("faces"), default=0)
    source_etag = models.CharField(_("source ETag"), max_length=80)
    detector = models.CharField(_("detector"), max_length=60)
    detector_version = models.CharField(_("detector version"), max_length=40, blank=True)
    raw_response = models.JSONField(_("answer as received"), default=dict, blank=True)
    analysed_at = models.DateTimeField(_("analysed at"), default=timezone.now)

    objects = AnalysisQuerySet.as_manager()

    class Meta:
        verbose_name = _("analysis")
        verbose_name_plural = _("analyses")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.image_id}: {self.get_state_display()}"


class Face(models.Model):
    """One detected face. Box sides are ratios of the picture, as returned: they may be below 0 or above 1.

    `confidence` (percent) is that it is a face, not that the age is right. Ages are empty when the detector
    does not report them.
    """

    analysis = models.ForeignKey(Analysis, models.CASCADE, verbose_name=_("analysis"), related_name="faces")
    number = models.PositiveSmallIntegerField(_("number"))
    left = models.FloatField(_("left"))
    top = models.FloatField(_("top"))
    width = models.FloatField(_("width"))
    height = models.FloatField(_("height"))
    confidence = models.FloatField(_("confidence"))
    age_low = models.PositiveSmallIntegerField(_("age low"), null=True, blank=True)
    age_high = models.PositiveSmallIntegerField(_("age high"), null=True, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)

    class Meta:
        verbose_name = _("face")
        verbose_name_plural = _("faces")
        ordering = ["-analysis__analysed_at", "analysis_id", "number"]
        default_permissions = ("view",)
        permissions = [("export_face", _("Can export face metadata"))]
        constraints = [models.UniqueConstraint(fields=["analysis", "number"], name="face_number")]

    def __str__(self) -> str:
        return f"#{self.number}"
