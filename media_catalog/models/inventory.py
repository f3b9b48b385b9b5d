from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .buckets import Bucket


class Scan(models.Model):
    """One way through a bucket by LIST. Its place is saved with the objects of each page, so a kill loses one page."""

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        REPLACED = "replaced", _("Replaced by another")

    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="scans", db_index=False)  # scan_newest
    run = models.CharField(max_length=32, unique=True, help_text=_("Of the job that it belongs to."))
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    after = models.JSONField(default=dict, blank=True, help_text=_("Where the next page begins."))
    pages = models.PositiveBigIntegerField(default=0)
    entries = models.PositiveBigIntegerField(default=0)
    objects_seen = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    unstorable = models.PositiveBigIntegerField(default=0, help_text=_("Keys that no database of ours can hold."))
    deletions = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text=_("Requests that would delete the entries, each several of a page.")
    )
    lone_deletions = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text=_("Requests that would each delete one entry: they are free of charge.")
    )
    compared = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text=_("How far each run has compared it with the catalogue."),
    )
    added = models.PositiveBigIntegerField(default=0)
    lost = models.PositiveBigIntegerField(default=0, help_text=_("Objects that the one before had seen."))
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("scan")
        verbose_name_plural = _("scans")
        default_permissions = ()
        indexes = [models.Index(fields=["bucket", "-id"], name="scan_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["bucket"], condition=models.Q(state="running"), name="scan_one_running_per_bucket"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bucket_id} {self.run} ({self.state})"


class InventoryObject(models.Model):
    """An object as a scan last saw it: the latest version of its key. `note` is why it was not catalogued."""

    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="inventory", db_index=False)  # each below has it
    key = models.CharField(max_length=1024)
    etag = models.CharField(max_length=80)
    size = models.PositiveBigIntegerField()
    modified = models.DateTimeField()
    storage_class = models.CharField(max_length=30)
    # Without an index: a planner that does not know the rows of a new scan yet would look each key up by it.
    scan = models.ForeignKey(
        Scan, models.CASCADE, related_name="inventory", db_index=False, help_text=_("The last that saw it.")
    )
    first_seen_at = models.DateTimeField(default=timezone.now)
    missing_since = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)
    noted_etag = models.CharField(max_length=80, blank=True)

    class Meta:
        verbose_name = _("object of the inventory")
        verbose_name_plural = _("objects of the inventory")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["bucket", "key"], name="inventory_bucket_key")]
        indexes = [
            models.Index(fields=["bucket", "size", "id"], name="inventory_by_size"),
            models.Index(fields=["bucket", "modified", "id"], name="inventory_by_time"),
            # For prefixes: the database's own order of texts does not help LIKE on PostgreSQL.
            models.Index(
                fields=["bucket", "key"], name="inventory_by_prefix", opclasses=["int8_ops", "varchar_pattern_ops"]
            ),
            models.Index(
                fields=["bucket", "missing_since"],
                name="inventory_missing",
                condition=models.Q(missing_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.key
