"""The health card of a bucket: what the last check found, and the buttons that mend it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket
from media_catalog.services import bucket_health, bucket_settings
from media_catalog.services.sentences import sentence

from . import costs
from .bucket_pages import bucket_view, origin_of, url
from .history import log
from .step_labels import LABELS as STEPS

LABELS: Mapping[str, str | Promise] = {
    "public_access": gettext_lazy("Public access"),
    "encryption": gettext_lazy("Encryption"),
    "versioning": gettext_lazy("Versioning"),
    "cors": gettext_lazy("CORS"),
    "csp": gettext_lazy("Content-Security-Policy"),
    "lifecycle": gettext_lazy("Lifecycle"),
    "list": gettext_lazy("May we list? (s3:ListBucket)"),
    "versions": gettext_lazy("May we list versions? (s3:ListBucketVersions)"),
    "read": gettext_lazy("May we read? (s3:GetObject)"),
    "write": gettext_lazy("May we write? (s3:PutObject)"),
    "delete": gettext_lazy("May we delete? (s3:DeleteObject)"),
}
LEVELS: Mapping[str, tuple[str, str | Promise]] = {
    bucket_health.GOOD: ("done", gettext_lazy("Good")),
    bucket_health.WARN: ("stale", gettext_lazy("Improve")),
    bucket_health.BAD: ("failed", gettext_lazy("Bad")),
    bucket_health.UNKNOWN: ("none", gettext_lazy("Unknown")),
}
TEXTS: Mapping[tuple[str, str], str | Promise] = {
    ("public_access", "blocked"): gettext_lazy("All public access is blocked."),
    ("public_access", "possible"): gettext_lazy("A policy or an ACL can open it to the public."),
    ("encryption", "on"): gettext_lazy("New objects are encrypted."),
    ("encryption", "off"): gettext_lazy("New objects are not encrypted by default."),
    ("versioning", "on"): gettext_lazy("Older versions are kept for the days that a rule says."),
    ("versioning", "off"): gettext_lazy("What is overwritten or deleted is lost at once."),
    ("versioning", "kept_for_ever"): gettext_lazy("Older versions are kept, and paid, for ever."),
    ("versioning", "wasteful"): gettext_lazy("Renditions can be made anew: older versions of them only cost."),
    ("versioning", "not_needed"): gettext_lazy("Not kept, and not needed here."),
    ("cors", "open"): gettext_lazy("Pages of this site may read and upload directly."),
    ("cors", "closed"): gettext_lazy("Browsers on this site cannot upload directly to it."),
    ("cors", "not_needed"): gettext_lazy("Closed, and not needed here."),
    ("csp", "named"): gettext_lazy("This site lets its pages send to %(origin)s."),
    ("csp", "not_named"): gettext_lazy(
        "Pages of this site do not send to %(origin)s: uploads and previews go through the site. For direct uploads an"
        " administrator adds it to connect-src."
    ),
    ("lifecycle", "set"): gettext_lazy("Unfinished uploads are ended by a rule."),
    ("lifecycle", "unfinished_uploads"): gettext_lazy("Unfinished uploads stay, unseen, and are paid."),
    ("delete", "versioned"): gettext_lazy("Not tried by that check. Check again."),  # in rows of before
    ("delete", "needs_read"): gettext_lazy("Cannot be told without permission to read."),
    ("read", "needs_list"): gettext_lazy("Cannot be told without permission to list."),
}
SHARED_TEXTS: Mapping[str, str | Promise] = {
    "allowed": gettext_lazy("Yes."),
    "denied": gettext_lazy("AWS denies it. An administrator must grant the permission."),
    "failed": gettext_lazy("AWS answered with an error. The log has the details."),
}


@dataclass(frozen=True, kw_only=True)
class Fix:
    label: str | Promise
    changes: Mapping[str, Any]


_BLOCK = Fix(label=gettext_lazy("Block public access"), changes={"block_public_access": True})
_EXPIRE_VERSIONS = Fix(label=gettext_lazy("Expire older versions after 30 days"), changes={"old_versions_days": 30})
_KEEP_VERSIONS = Fix(
    label=gettext_lazy("Keep older versions for 30 days"), changes={"versioning": True, "old_versions_days": 30}
)
FIXES: Mapping[tuple[str, str], Fix] = {
    ("public_access", "possible"): _BLOCK,
    ("encryption", "off"): Fix(label=gettext_lazy("Encrypt new objects"), changes={"encryption": "AES256"}),
    ("versioning", "off"): _KEEP_VERSIONS,
    ("versioning", "kept_for_ever"): _EXPIRE_VERSIONS,
    ("versioning", "wasteful"): Fix(label=gettext_lazy("Stop keeping versions"), changes={"versioning": False}),
    ("cors", "closed"): Fix(label=gettext_lazy("Fix CORS"), changes={"cors": True}),
    ("lifecycle", "unfinished_uploads"): Fix(
        label=gettext_lazy("End unfinished uploads after 7 days"), changes={"multipart_days": 7}
    ),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check on the card. `fix` is the label of its button, `cost` what that takes, in words."""

    slug: str
    label: str | Promise
    css: str
    level: str | Promise
    text: str
    fix: str | Promise = ""
    cost: str = ""


def rows(bucket: Bucket, *, origin: str, may_fix: bool) -> list[Row]:
    """The findings of the last check, in the order of LABELS."""
    return [_row(bucket, slug, bucket.health[slug], origin, may_fix) for slug in LABELS if slug in bucket.health]


def worst(bucket: Bucket) -> str:
    """The level that the list shows; empty when the bucket was never checked."""
    levels = {finding["level"] for finding in bucket.health.values()}
    order = (bucket_health.BAD, bucket_health.UNKNOWN, bucket_health.WARN, bucket_health.GOOD)
    return next((level for level in order if level in levels), "")


def cost_of_check() -> str:
    return costs.in_words(bucket_health.COST)


@bucket_view("sync_bucket", post_only=True)
def check_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    try:
        bucket_health.check(bucket, origin=origin_of(request))
    except BackofficeError as error:
        messages.error(request, sentence(error))
    else:
        log(request, [bucket], CHANGE, _("Checked."))
        messages.success(request, _("The bucket was checked."))
    return redirect(url(bucket, "change"))


@bucket_view("change_bucket", post_only=True)
def fix_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """Mend what the last check found under this name; of an outdated page, nothing."""
    slug = request.POST.get("check", "")
    fix = _fix_for(bucket, slug)
    now = bucket_settings.known(bucket)
    if fix is None or now is None:
        messages.warning(request, _("There is nothing to mend any more."))
        return redirect(url(bucket, "change"))
    wanted = replace(now, **fix.changes)
    steps = bucket_settings.plan(bucket, now=now, wanted=wanted, origin=origin_of(request))
    done, failed = bucket_settings.apply(bucket, steps, now=now, wanted=wanted)
    bucket_health.judge_again(bucket)
    said = str(fix.label) if failed is None else ", ".join(str(STEPS[step]) for step in done)
    if said:
        log(request, [bucket], CHANGE, said)
        messages.success(request, _("Done: %(fix)s.") % {"fix": said})
    if failed:
        messages.error(request, sentence(failed))
    return redirect(url(bucket, "change"))


def _fix_for(bucket: Bucket, slug: str) -> Fix | None:
    finding = bucket.health.get(slug)
    return FIXES.get((slug, finding["code"])) if finding else None


def _row(bucket: Bucket, slug: str, finding: Mapping[str, str], origin: str, may_fix: bool) -> Row:
    code = finding["code"]
    css, level = LEVELS[finding["level"]]
    text = SHARED_TEXTS.get(code) or TEXTS[slug, code]
    now, fix = bucket_settings.known(bucket), _fix_for(bucket, slug)
    row = Row(
        slug=slug,
        label=LABELS[slug],
        css=css,
        level=level,
        text=str(text) % {"origin": bucket_health.endpoint_origin(bucket)},
    )
    if not (may_fix and fix and now):
        return row
    steps = bucket_settings.plan(bucket, now=now, wanted=replace(now, **fix.changes), origin=origin)
    return replace(row, fix=fix.label, cost=costs.in_words(bucket_settings.cost(steps)))
