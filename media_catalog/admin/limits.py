"""Request limits: the figures that the meter keeps. Every change needs a reason and leaves an audit event."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.models import AuditEvent, LimitOverride, RequestClass, RequestLimit
from media_catalog.quota import audit
from media_catalog.quota.summary import summaries

from . import audit_words
from .base import BackofficeAdmin, ReadOnlyAdmin
from .history import staff


def reason_field() -> forms.CharField:
    """For a change that leaves an audit event."""
    return forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("Why it is changed; kept with the change."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class LimitForm(forms.ModelForm):
    reason = reason_field()

    def clean_request_class(self) -> str:
        """A limit on what is free would only stand in the way of removals."""
        value: str = self.cleaned_data["request_class"]
        if value == RequestClass.FREE:
            raise forms.ValidationError(_("These requests are free of charge: they need no limit."))
        return value

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (cleaned.get("headroom") or 0) > (cleaned.get("limit") or 0):
            self.add_error("headroom", _("The headroom is a part of the limit: it cannot be larger."))
        return cleaned


def _say_if_full(request: HttpRequest, limit: RequestLimit) -> None:
    """A figure below what is used or held is allowed: said, lest it surprise."""
    for entry in summaries():
        if (entry.request_class, entry.period) != (limit.request_class, limit.period) or entry.level != "full":
            continue
        said = _("%(used)s requests are used already: further ones are refused until the reset.")
        messages.warning(request, said % {"used": entry.used})
        if entry.held and entry.used + entry.held > (entry.limit or 0):
            said = _(
                "%(held)s more are held for what is under way: jobs notice the new limit within about a second, uploads"
                " straight to S3 that have begun may end."
            )
            messages.warning(request, said % {"held": entry.held})


@admin.register(RequestLimit)
class RequestLimitAdmin(BackofficeAdmin):
    form = LimitForm
    list_display = ["request_class", "period", "limit", "meanwhile", "headroom", "source", "source_date"]
    fields = [
        "request_class",
        "period",
        "limit",
        "headroom",
        "warn_percent",
        "source",
        "source_note",
        "source_date",
        "reason",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: RequestLimit | None = None) -> list[str]:
        return ["request_class", "period"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: RequestLimit | None = None) -> bool:
        """A limit is raised with a reason, not removed without one."""
        return False

    def save_model(self, request: HttpRequest, obj: RequestLimit, form: forms.ModelForm, change: bool) -> None:
        before = audit.values(RequestLimit.objects.get(pk=obj.pk)) if change else {}
        super().save_model(request, obj, form, change)
        audit.limit_changed(
            obj, before=before, username=staff(request).get_username(), reason=form.cleaned_data["reason"]
        )
        _say_if_full(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RequestLimit]:
        in_force = LimitOverride.objects.filter(expires_at__gt=timezone.now())
        return RequestLimit.objects.prefetch_related(Prefetch("overrides", in_force, to_attr="in_force"))

    @admin.display(description=gettext_lazy("temporary limit"))
    def meanwhile(self, limit: Any) -> str:
        if not limit.in_force:
            return "–"
        override = limit.in_force[0]
        until = date_format(override.expires_at, "DATETIME_FORMAT")
        return _("%(limit)s until %(until)s") % {"limit": override.limit, "until": until}


class OverrideForm(forms.ModelForm):
    def clean_expires_at(self) -> datetime:
        until: datetime = self.cleaned_data["expires_at"]
        if until <= timezone.now():
            raise forms.ValidationError(_("This is over already: choose a moment to come."))
        return until


@admin.register(LimitOverride)
class LimitOverrideAdmin(BackofficeAdmin):
    list_display = ["request_limit", "limit", "state", "expires_at", "reason", "created_by", "created_at"]
    form = OverrideForm
    list_select_related = ["request_limit"]
    fields = ["request_limit", "limit", "expires_at", "reason"]
    actions = ["end_now"]

    def has_change_permission(self, request: HttpRequest, obj: LimitOverride | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LimitOverride | None = None) -> bool:
        """It ends by itself or is ended; that it was there stays visible."""
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media_catalog.delete_limitoverride")

    def save_model(self, request: HttpRequest, obj: LimitOverride, form: forms.ModelForm, change: bool) -> None:
        made = audit.add_override(
            limit=obj.request_limit,
            figure=obj.limit,
            until=obj.expires_at,
            reason=obj.reason,
            username=staff(request).get_username(),
        )
        obj.pk = made.pk
        _say_if_full(request, obj.request_limit)

    @admin.action(description=gettext_lazy("End now"), permissions=["end"])
    def end_now(self, request: HttpRequest, overrides: Any) -> None:
        for override in overrides.select_related("request_limit"):
            audit.end_override(override, username=staff(request).get_username())

    @admin.display(description=gettext_lazy("state"))
    def state(self, override: LimitOverride) -> str:
        over = override.expires_at <= timezone.now()
        css, text = ("skipped", _("Over")) if over else ("done", _("In force"))
        return format_html('<span class="bo-tag bo-{}">{}</span>', css, text)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "username", "action", "target", "change", "reason"]
    list_filter = ["action", "at"]
    search_fields = ["username", "target", "reason"]
    show_full_result_count = False
    fields = ["at", "username", "action", "target", "change", "reason"]

    @admin.display(description=gettext_lazy("what"))
    def change(self, event: AuditEvent) -> str:
        return audit_words.change(event)
