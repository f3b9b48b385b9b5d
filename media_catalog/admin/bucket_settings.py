"""The settings of a bucket: the form, what the changes will cost, and doing them."""

from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from media_catalog.exceptions import BackofficeError, BucketRefused
from media_catalog.models import Bucket
from media_catalog.services import bucket_health, bucket_settings, buckets
from media_catalog.services.bucket_settings import Step
from media_catalog.services.sentences import sentence

from .bucket_forms import PurposeForm, SettingsForm
from .bucket_pages import bucket_view, may, origin_of, page_context, url
from .costs import cost_context, in_words
from .history import log
from .step_labels import LABELS, step_rows


@bucket_view("change_bucket")
def settings_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """The form, without the settings at S3 while they are not known. Changes that cost are confirmed first."""
    form = _form(request, bucket)
    checked = request.method == "POST" and form.is_valid() and "back" not in request.POST
    steps = _steps(request, bucket, form) if checked else []
    if checked and (not steps or "confirm" in request.POST) and _save(request, bucket, form, steps):
        return redirect(url(bucket, "change"))
    context = page_context(
        page,
        request,
        bucket,
        _("Settings"),
        form=form,
        known=bucket_settings.known(bucket) is not None,
        may_check=may(request, "sync_bucket"),
        check_cost=in_words(bucket_health.COST),
        **(_review(steps) if steps and form.is_valid() else {}),
    )
    return TemplateResponse(request, "admin/media_catalog/bucket_settings.html", context)


def _form(request: HttpRequest, bucket: Bucket) -> PurposeForm:
    served = Bucket.objects.filter(renditions_bucket=bucket).first()
    initial: dict[str, Any] = {
        "role": bucket.role,
        "accepts": bucket.accepts,
        "renditions_bucket": bucket.renditions_bucket_id,
        "originals_bucket": served.pk if served else None,
    }
    now = bucket_settings.known(bucket)
    kind = SettingsForm if now else PurposeForm
    return kind(request.POST or None, bucket=bucket, initial={**initial, **(asdict(now) if now else {})})


def _steps(request: HttpRequest, bucket: Bucket, form: PurposeForm) -> list[Step]:
    now = bucket_settings.known(bucket)
    if now is None or not isinstance(form, SettingsForm):
        return []
    return bucket_settings.plan(bucket, now=now, wanted=form.settings(), origin=origin_of(request))


def _review(steps: list[Step]) -> dict[str, Any]:
    return {"review": step_rows(steps), **cost_context(bucket_settings.cost(steps))}


def _save(request: HttpRequest, bucket: Bucket, form: PurposeForm, steps: list[Step]) -> bool:
    """Whether it is saved, as far as S3 goes along; if not, the form says why, and nothing has changed."""
    try:
        buckets.assign(bucket, **form.purpose())
    except BucketRefused as error:
        form.add_error("role", sentence(error))
        return False
    now = bucket_settings.known(bucket)
    done: list[str] = []
    failed: BackofficeError | None = None
    if now and isinstance(form, SettingsForm):
        done, failed = bucket_settings.apply(bucket, steps, now=now, wanted=form.settings())
    bucket_health.judge_again(bucket)
    unsaved = {name for step in steps if step.slug not in done for name in step.fields}
    saved = [name for name in form.changed_data if name not in unsaved]
    if saved:
        log(request, [bucket], CHANGE, _("Changed: %(fields)s.") % {"fields": _labels(form, saved)})
    if failed:
        _say_unsaved(request, form, failed, saved)
        return True
    said = ", ".join(str(LABELS[slug]) for slug in done)
    messages.success(request, _("Saved. At S3: %(steps)s.") % {"steps": said} if said else _("Saved."))
    return True


def _say_unsaved(request: HttpRequest, form: PurposeForm, failed: BackofficeError, saved: list[str]) -> None:
    said = [sentence(failed)]
    if saved:
        said.append(_("Saved: %(fields)s.") % {"fields": _labels(form, saved)})
    unsaved = [name for name in form.changed_data if name not in saved]
    said.append(_("Not saved: %(fields)s.") % {"fields": _labels(form, unsaved)})
    messages.error(request, " ".join(said))


def _labels(form: PurposeForm, names: list[str]) -> str:
    return ", ".join(str(form.fields[name].label) for name in names)
