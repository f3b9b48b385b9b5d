from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

LONGEST_UNIQUE_NAME = 80  # characters
SHORTEST_LIFE = 60  # seconds: the sweep looks each minute


class BucketQuerySet(models.QuerySet["Bucket"]):
    def for_uploads(self) -> "BucketQuerySet":
        """Buckets that staff may upload images to: originals whose renditions have a place, seen at S3."""
        return self.filter(role=Bucket.Role.ORIGINALS, renditions_bucket__isnull=False, missing_since=None)

    def for_files(self) -> "BucketQuerySet":
        """Buckets that staff may upload files of any type to, as rows of the catalogue."""
        return self.filter(role=Bucket.Role.GENERAL, accepts=Bucket.Accepts.ANY, missing_since=None)

    def swept(self) -> "BucketQuerySet":
        """Those whose retention rule is in force."""
        return self.filter(retention_on=True, legal_hold=False, missing_since=None)


class Bucket(models.Model):
    """An S3 bucket that we know. Rows come from S3 (`services.buckets.sync`), roles from us."""

    class Role(models.TextChoices):
        ORIGINALS = "originals", _("Originals")
        RENDITIONS = "renditions", _("Renditions")
        STATIC = "static", _("Static files")
        GENERAL = "general", _("General")

    class UploadRule(models.TextChoices):
        """Which pixel sizes an upload may have, upright, against the rule's width and height."""

        NONE = "none", _("Any size")
        EXACT = "exact", _("Exactly")
        MINIMUM = "minimum", _("At least")
        MAXIMUM = "maximum", _("At most")

    class ResizeEngine(models.TextChoices):
        WORKER = "worker", _("Worker")
        LAMBDA = "lambda", _("Lambda function")

    class Accepts(models.TextChoices):
        IMAGES = "images", _("Images")
        ANY = "any", _("Files of any type")

    class InventoryEvery(models.IntegerChoices):
        """Hours from one inventory to the next."""

        OFF = 0, _("Never")
        DAY = 24, _("Each day")
        WEEK = 168, _("Each week")

    name = models.CharField(_("name"), max_length=63, unique=True)
    region = models.CharField(_("region"), max_length=32, blank=True)
    role = models.CharField(_("role"), max_length=12, choices=Role.choices, default=Role.GENERAL)
    renditions_bucket = models.OneToOneField(
        "self",
        models.PROTECT,
        verbose_name=_("renditions bucket"),
        related_name="originals_bucket",
        null=True,
        blank=True,
        help_text=_("Where the renditions of this bucket's images are written."),
    )
    upload_rule = models.CharField(_("upload rule"), max_length=8, choices=UploadRule.choices, default=UploadRule.NONE)
    rule_width = models.PositiveIntegerField(_("rule: width"), default=1024, validators=[MinValueValidator(1)])
    rule_height = models.PositiveIntegerField(_("rule: height"), default=786, validators=[MinValueValidator(1)])
    legal_hold = models.BooleanField(
        _("legal hold"),
        default=False,
        help_text=_(
            "Nothing that the catalogue has in it can be removed here, nor by its retention rule. S3 itself is not"
            " told: other tools still can."
        ),
    )
    resize_engine = models.CharField(
        _("resize engine"),
        max_length=6,
        choices=ResizeEngine.choices,
        default=ResizeEngine.WORKER,
        help_text=_(
            "Who makes renditions of images that arrive. After a change, S3 must be told by the command wire_events."
        ),
    )
    accepts = models.CharField(
        _("accepts"),
        max_length=8,
        choices=Accepts.choices,
        default=Accepts.IMAGES,
        help_text=_("What staff may upload to it here. A bucket for originals takes images only."),
    )
    page_title = models.CharField(
        _("page of its own"),
        max_length=80,
        blank=True,
        db_default="",
        help_text=_("A title, such as “My Images”, under which the overview links to its images or files."),
    )
    unique_names = models.BooleanField(
        _("unique names"),
        default=False,
        db_default=False,
        help_text=_("Each image or file has a name of its own, of at most 80 characters, that the upload asks for."),
    )
    keep_newest = models.PositiveIntegerField(
        _("keep newest"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Of more images or files than this, the oldest go. Empty: however many there are."),
    )
    expire_after = models.PositiveIntegerField(
        _("expire after"),
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_LIFE)],
        help_text=_("Seconds after its upload. Empty: never."),
    )
    retention_on = models.BooleanField(_("retention on"), default=False, db_default=False)
    sweep = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text=_("The last sweep, or how far this one has come."),
    )
    object_count = models.PositiveBigIntegerField(_("objects"), null=True, blank=True)
    entry_count = models.PositiveBigIntegerField(
        _("entries"), null=True, blank=True, help_text=_("Objects, their older versions and delete markers.")
    )
    byte_count = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True, help_text=_("Of all versions."))
    counted_at = models.DateTimeField(_("last inventory"), null=True, blank=True)
    inventory_every = models.PositiveSmallIntegerField(
        _("inventory by the clock"),
        choices=InventoryEvery.choices,
        default=InventoryEvery.OFF,
        db_default=InventoryEvery.OFF,
        help_text=_("Each costs one LIST for each 1,000 objects and older versions."),
    )
    progress = models.JSONField(
        default=dict, blank=True, editable=False, help_text=_("How far a job that goes through its objects has come.")
    )
    settings = models.JSONField(
        _("settings"), default=dict, blank=True, help_text=_("At S3, as last read or written here.")
    )
    health = models.JSONField(_("health"), default=dict, blank=True, help_text=_("What the last check found."))
    health_at = models.DateTimeField(_("last check"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at S3"), null=True, blank=True)
    synced_at = models.DateTimeField(_("last seen"), null=True, blank=True)
    missing_since = models.DateTimeField(_("missing since"), null=True, blank=True)

    objects = BucketQuerySet.as_manager()

    class Meta:
        verbose_name = _("bucket")
        verbose_name_plural = _("buckets")
        ordering = ["name"]
        permissions = [
            ("sync_bucket", _("Can synchronise and check buckets, and take their inventory")),
            ("empty_bucket", _("Can empty and delete buckets")),
            ("adopt_objects", _("Can catalogue objects that buckets hold already")),
            ("browse_objects", _("Can browse and download objects")),
            ("write_objects", _("Can upload, copy and rename objects")),
            ("delete_objects", _("Can delete objects")),
            ("set_retention", _("Can set retention rules of buckets")),
        ]
        constraints = [
            models.CheckConstraint(
                name="bucket_not_its_own_renditions",
                condition=models.Q(renditions_bucket__isnull=True) | ~models.Q(renditions_bucket=models.F("pk")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def retains(self) -> bool:
        """Whether its retention rule is in force."""
        return self.retention_on and not self.legal_hold

    def allows(self, width: int, height: int) -> bool:
        """Whether the upload rule takes an image of this size."""
        wanted = (self.rule_width, self.rule_height)
        match self.upload_rule:
            case self.UploadRule.EXACT:
                return (width, height) == wanted
            case self.UploadRule.MINIMUM:
                return width >= wanted[0] and height >= wanted[1]
            case self.UploadRule.MAXIMUM:
                return width <= wanted[0] and height <= wanted[1]
        return True
