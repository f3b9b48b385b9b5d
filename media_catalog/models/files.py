from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual
from django.utils.translation import gettext_lazy as _

from .stored import StoredObject, stored_constraints

SHORTEST_DESCRIPTION, LONGEST_DESCRIPTION = 4, 80  # characters


class StoredFileManager(models.Manager["StoredFile"]):
    """Without what is in the trash."""

    def get_queryset(self) -> models.QuerySet["StoredFile"]:
        return super().get_queryset().filter(trashed_at=None)


class StoredFile(StoredObject):
    """A catalogued object of any type. Nothing looks into it; it is only ever handed out as an attachment."""

    description = models.CharField(
        _("description"),
        max_length=LONGEST_DESCRIPTION,
        validators=[MinLengthValidator(SHORTEST_DESCRIPTION)],
        help_text=_("4 to 80 characters."),
    )

    objects = StoredFileManager()
    everything = models.Manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["-created_at", "-pk"]
        constraints = [
            *stored_constraints("storedfile"),
            models.CheckConstraint(
                condition=models.Q(GreaterThanOrEqual(Length("description"), SHORTEST_DESCRIPTION)),
                name="storedfile_description_length",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="storedfile_newest"),
            models.Index(fields=["bucket", "-created_at", "-id"], name="storedfile_bucket_newest"),
        ]
        permissions = [("exempt_storedfile", _("Can exempt files from retention"))]
