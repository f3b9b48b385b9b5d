from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, now: datetime) -> "ApiTokenQuerySet":
        """Neither revoked nor expired, of a user whose account is open."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(unexpired, revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """What a program logs in to the API with, as a user. The text itself is shown once and not stored."""

    class Scope(models.TextChoices):
        UPLOAD = "upload", _("Get forms for uploads")
        READ = "read", _("Read own uploads")
        RESULTS = "results", _("Read all completed results (staff)")

    name = models.CharField(_("name"), max_length=80, help_text=_("Which program uses it, and where."))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        verbose_name=_("user"),
        related_name="api_tokens",
        help_text=_("The program acts as this user, with no more than its permissions."),
    )
    prefix = models.CharField(_("begins with"), max_length=16)
    digest = models.CharField(max_length=64, unique=True, help_text=_("SHA-256 of the token."))
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("issued"), default=timezone.now)
    created_by = models.CharField(_("issued by"), max_length=150, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, help_text=_("Leave empty for never."))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at", "-pk"]
        permissions = [("revoke_apitoken", _("Can revoke API tokens"))]
        default_permissions = ("add", "view")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
