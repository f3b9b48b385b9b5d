"""The retention rule of a bucket: the rule itself, and the preview from which alone it is switched on."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.jobs import sweeps
from media_catalog.models import Bucket, Image
from media_catalog.models.buckets import SHORTEST_LIFE
from media_catalog.services import bucket_settings, retention, retention_words
from media_catalog.services.object_keys import visible
from media_catalog.services.retention import Preview, Rule

from .bucket_pages import bucket_view, may, page_context, url
from .confirmation import SEPARATORS
from .costs import cost_context
from .history import log, staff
from .limits import reason_field

LONGEST_LIFE = 100 * 365 * 86_400  # seconds
MOST_KEPT = 1_000_000_000


class RuleForm(forms.Form):
    keep_newest = forms.IntegerField(
        label=gettext_lazy("Keep newest"),
        required=False,
        min_value=1,
        max_value=MOST_KEPT,
        help_text=gettext_lazy("Of more images or files than this, the oldest go. Empty: however many there are."),
    )
    life = forms.IntegerField(
        label=gettext_lazy("Expire after"),
        required=False,
        min_value=1,
        max_value=LONGEST_LIFE,
        help_text=gettext_lazy("Counted from the upload, by the clock of this site. Empty: never."),
    )
    unit = forms.ChoiceField(
        label=gettext_lazy("Unit"),
        choices=[
            ("seconds", gettext_lazy("Seconds")),
            ("minutes", gettext_lazy("Minutes")),
            ("hours", gettext_lazy("Hours")),
            ("days", gettext_lazy("Days")),
        ],
    )
    reason = reason_field()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("life") and data.get("unit"):
            seconds = data["life"] * retention_words.UNITS[data["unit"]]
            if not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
                self.add_error("life", _("From one minute to 100 years."))
        return data

    def rule(self) -> Rule:
        """Of a valid form."""
        data = self.cleaned_data
        life = data["life"] * retention_words.UNITS[data["unit"]] if data["life"] else None
        return Rule(keep_newest=data["keep_newest"], expire_after=life)


class ReasonForm(forms.Form):
    reason = reason_field()


@bucket_view("view_bucket")
def retention_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """The rule and whether it is on. A changed rule is off until it is switched on from its preview."""
    form = RuleForm(request.POST or None, initial=_initial(bucket))
    if request.method == "POST":
        _check(request)
        response = _switch_off(request, bucket) if "off" in request.POST else _save(request, bucket, form)
        if response:
            return response
    context = page_context(
        page,
        request,
        bucket,
        _("Retention"),
        form=form,
        rule=retention_words.rule(bucket),
        ended_at=_moment(bucket.sweep.get("ended_at")),
        may_change=may(request, "set_retention"),
        off_form=ReasonForm(prefix="off"),
    )
    return TemplateResponse(request, "admin/media_catalog/bucket_retention.html", context)


@bucket_view("view_bucket", "set_retention")
def preview_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """What the rule would remove now; on its button, the rule that was shown is in force."""
    rule = retention.rule_of(bucket)
    if rule.is_empty:
        return redirect(url(bucket, "retention"))
    form = ReasonForm(request.POST or None)
    shown = retention.preview(bucket)
    if request.method == "POST" and form.is_valid() and (response := _switch_on(request, bucket, rule, shown, form)):
        return response
    context = page_context(
        page,
        request,
        bucket,
        _("What the rule removes"),
        form=form,
        rule=retention_words.rule(bucket),
        rule_value=_as_value(rule),
        shown=shown,
        rows=[(row, visible(row.key), isinstance(row, Image)) for row in shown.first],
        more=max(0, shown.count + shown.held - len(shown.first)),
        must_type=shown.count > settings.JOB_CONFIRM_ABOVE,
        versioning=getattr(bucket_settings.known(bucket), "versioning", None),
        may_see_images=may(request, "view_image"),
        may_see_files=may(request, "view_storedfile"),
        **cost_context(retention.cost(bucket), bulk=True),
    )
    return TemplateResponse(request, "admin/media_catalog/bucket_retention_preview.html", context)


def _check(request: HttpRequest) -> None:
    if not may(request, "set_retention"):
        raise PermissionDenied


def _initial(bucket: Bucket) -> dict[str, Any]:
    life, unit = retention_words.in_units(bucket.expire_after) if bucket.expire_after else (None, "days")
    return {"keep_newest": bucket.keep_newest, "life": life, "unit": unit}


def _save(request: HttpRequest, bucket: Bucket, form: RuleForm) -> HttpResponse | None:
    """Go to the preview of the new rule; None when the form is wrong."""
    if not form.is_valid():
        return None
    rule = form.rule()
    if rule != retention.rule_of(bucket):
        name = staff(request).get_username()
        retention.change(bucket, rule, username=name, reason=form.cleaned_data["reason"])
        said = retention_words.rule(bucket) or _("No rule.")
        log(request, [bucket], CHANGE, _("Retention rule: %(rule)s Off.") % {"rule": f"{said} "})
        messages.success(request, _("Saved. The rule is off."))
    return redirect(url(bucket, "retention" if rule.is_empty else "retention_preview"))


def _switch_off(request: HttpRequest, bucket: Bucket) -> HttpResponse | None:
    form = ReasonForm(request.POST, prefix="off")
    if not form.is_valid():
        messages.error(request, _("Nothing was changed. Give a reason."))
        return redirect(url(bucket, "retention"))
    retention.switch_off(bucket, username=staff(request).get_username(), reason=form.cleaned_data["reason"])
    log(request, [bucket], CHANGE, _("Retention switched off."))
    messages.success(request, _("The rule is off. What it has removed is gone."))
    return redirect(url(bucket, "retention"))


def _switch_on(
    request: HttpRequest, bucket: Bucket, rule: Rule, shown: Preview, form: ReasonForm
) -> HttpResponse | None:
    """Go to the rule's page; None when the preview must be seen once more."""
    typed = SEPARATORS.sub("", request.POST.get("typed", ""))
    if shown.count > settings.JOB_CONFIRM_ABOVE and typed != str(shown.count):
        count = number_format(shown.count, force_grouping=True)
        messages.warning(
            request, _("Nothing was switched on. Type the number, %(count)s, to confirm.") % {"count": count}
        )
        return None
    name = staff(request).get_username()
    same = request.POST.get("rule") == _as_value(rule)
    if not same or not retention.switch_on(bucket, rule, username=name, reason=form.cleaned_data["reason"]):
        messages.warning(request, _("The rule has changed meanwhile. Check what it removes and confirm again."))
        return None
    said = retention_words.rule(bucket)
    log(request, [bucket], CHANGE, _("Retention switched on: %(rule)s") % {"rule": said})
    messages.success(request, _("The rule is on: %(rule)s") % {"rule": said})
    sweeps.start_sweep(bucket)
    return redirect(url(bucket, "retention"))


def _as_value(rule: Rule) -> str:
    return f"{rule.keep_newest}/{rule.expire_after}"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
