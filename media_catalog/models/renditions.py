from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from media_catalog.imaging.formats import WRITTEN
from media_catalog.imaging.values import MAX_BLUR

from .buckets import Bucket
from .images import Image

SIDE = [MinValueValidator(1), MaxValueValidator(10_000)]


class Preset(models.Model):
    """How one kind of rendition is made. A change of how the pixels come out raises `version`."""

    class Mode(models.TextChoices):
        FIT = "fit", _("Fit inside the box")
        FILL = "fill", _("Fill the box, crop the centre")
        STRETCH = "stretch", _("Stretch to the box")

    class Format(models.TextChoices):
        SOURCE = "source", _("Same as the original")
        JPEG = "JPEG", "JPEG"
        PNG = "PNG", "PNG"
        WEBP = "WEBP", "WebP"
        AVIF = "AVIF", "AVIF"

    slug = models.SlugField(_("slug"), unique=True, max_length=40)
    name = models.CharField(_("name"), max_length=80)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True, validators=SIDE)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True, validators=SIDE)
    mode = models.CharField(_("mode"), max_length=8, choices=Mode.choices, default=Mode.FIT)
    allow_upscale = models.BooleanField(_("allow upscale"), default=False)
    format = models.CharField(_("format"), max_length=10, choices=Format.choices, default=Format.SOURCE)
    quality = models.PositiveSmallIntegerField(
        _("quality"), default=85, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    background = models.CharField(
        _("background"),
        max_length=7,
        default="#ffffff",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}\Z", _("Write a colour as #rrggbb."))],
        help_text=_("As #rrggbb: what shows through where the original is transparent and the format is not (JPEG)."),
    )
    blur = models.FloatField(
        _("blur radius"),
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_BLUR)],
        help_text=_("In pixels of the rendition; 0 for none."),
    )
    in_request = models.BooleanField(
        _("made within the upload"),
        default=False,
        help_text=_("So that its link is in the answer. The others are made in the background."),
    )
    active = models.BooleanField(_("active"), default=True)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)

    # What the admin's own pages show: the list, and the change page under the face boxes.
    THUMBNAIL, PREVIEW = "thumbnail", "preview"
    PIXEL_FIELDS = ("width", "height", "mode", "allow_upscale", "format", "quality", "background", "blur")

    class Meta:
        verbose_name = _("preset")
        verbose_name_plural = _("presets")
        ordering = ["width", "height", "slug"]
        constraints = [
            models.CheckConstraint(
                name="preset_has_a_side",
                condition=models.Q(width__isnull=False) | models.Q(height__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if not self.width and not self.height:
            raise ValidationError(_("Give a width, a height or both."))
        if self.format != self.Format.SOURCE and self.format not in WRITTEN:
            raise ValidationError(_("This installation cannot write %(format)s.") % {"format": self.format})
        if self.mode != self.Mode.FIT and not (self.width and self.height):
            raise ValidationError(_("This mode needs both a width and a height."))
        # With a free side a long, thin picture would become millions of pixels, and estimates would not know.
        if self.allow_upscale and not (self.width and self.height):
            raise ValidationError(_("Enlarging needs both a width and a height."))
        if self.width and self.height and self.width * self.height > settings.IMAGE_MAX_PIXELS:
            raise ValidationError(
                _("%(width)s × %(height)s pixels are more than the %(limit)s that a rendition may have.")
                % {
                    "width": number_format(self.width, force_grouping=True),
                    "height": number_format(self.height, force_grouping=True),
                    "limit": number_format(settings.IMAGE_MAX_PIXELS, force_grouping=True),
                }
            )


_CURRENT = models.Q(source_etag=models.F("image__etag"), preset_version=models.F("preset__version"))


class RenditionQuerySet(models.QuerySet["Rendition"]):
    def current(self) -> "RenditionQuerySet":
        """Made from the object as it is now, by the preset as it is now."""
        return self.filter(_CURRENT)

    def stale(self) -> "RenditionQuerySet":
        """Made from another object or by an earlier version of the preset; of active presets, which make anew."""
        return self.filter(~_CURRENT, preset__active=True)


class Rendition(models.Model):
    """An object made from an image by a preset. `etag` is that of the rendition's own object."""

    image = models.ForeignKey(Image, models.CASCADE, verbose_name=_("image"), related_name="renditions")
    preset = models.ForeignKey(Preset, models.PROTECT, verbose_name=_("preset"), related_name="renditions")
    bucket = models.ForeignKey(Bucket, models.PROTECT, verbose_name=_("bucket"), related_name="+")
    key = models.CharField(_("key"), max_length=1200)
    etag = models.CharField("ETag", max_length=80)
    size = models.PositiveBigIntegerField(_("size"))
    content_type = models.CharField(_("content type"), max_length=100)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    source_etag = models.CharField(_("source ETag"), max_length=80)
    preset_version = models.PositiveIntegerField(_("preset version"))
    created_at = models.DateTimeField(_("made"), default=timezone.now)

    objects = RenditionQuerySet.as_manager()

    class Meta:
        verbose_name = _("rendition")
        verbose_name_plural = _("renditions")
        ordering = ["preset__width", "preset__height", "preset__slug"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["image", "preset"], name="rendition_image_preset")]
        indexes = [models.Index(fields=["bucket", "key"], name="rendition_bucket_key")]

    def __str__(self) -> str:
        return self.key

    @property
    def is_whole(self) -> bool:
        """Whether it shows all of its image: it has the same shape, but for the rounding of sides, and no blur."""
        off = abs(self.width * self.image.height - self.height * self.image.width)
        return off <= max(self.image.width, self.image.height) and not self.preset.blur
