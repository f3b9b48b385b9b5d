"""Actions on findings: what each is called, its confirmation with the cost, and the start of its job."""

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog import jobs
from media_catalog.exceptions import QuotaShort
from media_catalog.models import Finding, Job
from media_catalog.services import finding_costs, findings
from media_catalog.services.object_keys import visible
from media_catalog.services.sentences import sentence

from .bucket_pages import may
from .confirmation import digest, must_type, token_of, typed_number
from .costs import cost_context
from .history import log, refused_by_quota, staff
from .selecting import scope

SHOWN = 20  # keys on the confirmation
MOST = 5000  # findings of one job


@dataclass(frozen=True, kw_only=True)
class Act:
    """`name` is that of the list's action; `permission` is asked for here and by the worker."""

    action: Finding.Action
    kind: str
    permission: str
    title: str | Promise
    button: str | Promise
    note: str | Promise
    destructive: bool = False


ADOPT = Act(
    action=Finding.Action.ADOPT,
    kind="adopt_findings",
    permission="adopt_objects",
    title=gettext_lazy("Adopt what was found"),
    button=gettext_lazy("Adopt"),
    note=gettext_lazy(
        "Objects are read and catalogued as images; what is no image stays, with the reason. Of a stale upload what has"
        " come is catalogued, and the upload closed. No renditions are made: choose “Make renditions…” afterwards."
    ),
)
RECREATE = Act(
    action=Finding.Action.RECREATE,
    kind="resolve_findings",
    permission="resolve_finding",
    title=gettext_lazy("Recreate renditions"),
    button=gettext_lazy("Recreate"),
    note=gettext_lazy("Renditions are made again from their originals. An original itself cannot be."),
)
QUARANTINE = Act(
    action=Finding.Action.QUARANTINE,
    kind="resolve_findings",
    permission="resolve_finding",
    title=gettext_lazy("Move to quarantine"),
    button=gettext_lazy("Move to quarantine"),
    note=gettext_lazy("Objects move to the folder quarantine/ of the same bucket, from where they can be put back."),
)
RESTORE = Act(
    action=Finding.Action.RESTORE,
    kind="resolve_findings",
    permission="resolve_finding",
    title=gettext_lazy("Put back from quarantine"),
    button=gettext_lazy("Put back"),
    note=gettext_lazy("Objects move to where they were found. A key that is taken by now is left alone."),
)
DELETE = Act(
    action=Finding.Action.DELETE,
    kind="delete_findings",
    permission="delete_found",
    title=gettext_lazy("Delete what was found"),
    button=gettext_lazy("Delete"),
    note=gettext_lazy(
        "Objects without a row go to the trash, renditions are deleted at S3. Rows without an object go, images with"
        " their renditions. Stale uploads are closed, and what had come of them is deleted at S3."
    ),
    destructive=True,
)
BY_NAME = {act.action.value: act for act in (ADOPT, RECREATE, QUARANTINE, RESTORE, DELETE)}


def confirm_or_start(
    page: ModelAdmin, request: HttpRequest, chosen: QuerySet[Finding], act: Act
) -> HttpResponse | None:
    """The confirmation page; on its button, a job with exactly the findings that the page counted."""
    if _are_too_many(request, chosen):
        return None
    selected = list(chosen.select_related("bucket").order_by("pk"))
    fitting = [finding for finding in selected if _fits(request, finding, act.action)]
    if not fitting:
        said = _(
            "None of these findings allows this action, or you may not do it. What one inventory alone has seen waits"
            " for the next: until then it can be adopted or dismissed."
        )
        messages.warning(request, said)
        return None
    ids = [finding.pk for finding in fitting]
    if {"confirm", "park"} & set(request.POST):
        if objection := _objection(request, ids):
            messages.warning(request, objection)
        elif job := _start(page, request, fitting, act):
            return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))
    context = {
        **page.admin_site.each_context(request),
        **cost_context(finding_costs.cost(ids, act.action), bulk=True),
        "opts": page.opts,
        "media": page.media,
        "title": act.title,
        "act": act,
        "count": len(ids),
        "left_out": len(selected) - len(ids),
        "names": [f"{finding.bucket}/{visible(finding.key)}" for finding in fitting[:SHOWN]],
        "more": max(0, len(ids) - SHOWN),
        "fields": _fields(request),
        "selection": digest(ids),
        "token": uuid4().hex,
        "must_type": must_type(len(ids)),
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/media_catalog/finding_action.html", context)


def mark(request: HttpRequest, chosen: QuerySet[Finding], action: Finding.Action) -> None:
    """Dismiss or reopen at once: no object is touched."""
    if _are_too_many(request, chosen):
        return
    fitting = [finding for finding in chosen.select_related("bucket") if action in findings.actions_for(finding)]
    findings.mark(fitting, action, by=staff(request).get_username())
    if fitting:
        log(request, fitting, CHANGE, str(action.label))
    said = ngettext("%(count)d finding changed.", "%(count)d findings changed.", len(fitting))
    messages.success(request, said % {"count": len(fitting)})


def _are_too_many(request: HttpRequest, chosen: QuerySet[Finding]) -> bool:
    if chosen.count() <= MOST:
        return False
    said = _("An action takes at most %(limit)s findings. Select fewer, or narrow the list by its filters.")
    messages.error(request, said % {"limit": number_format(MOST, force_grouping=True)})
    return True


def offered(request: HttpRequest, finding: Finding) -> list[tuple[str, Any, bool]]:
    """(name, label, destructive) of what the user may do about one finding."""
    permissions = {name: act.permission for name, act in BY_NAME.items()}
    return [
        (action.value, action.label, action == Finding.Action.DELETE)
        for action in Finding.Action
        if _fits(request, finding, action) and may(request, permissions.get(action.value, "resolve_finding"))
    ]


def _fits(request: HttpRequest, finding: Finding, action: str) -> bool:
    """Whether it can be done, and the user may do the same elsewhere."""
    needed = findings.permission_for(finding, action)
    return action in findings.actions_for(finding) and (not needed or may(request, needed))


def _fields(request: HttpRequest) -> list[tuple[str, str]]:
    """What the list has sent: with it the form asks for the same findings again."""
    given = [(name, request.POST[name]) for name in ("action", "select_across") if name in request.POST]
    return given + [(ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]


def _objection(request: HttpRequest, ids: list[int]) -> str:
    """Why the page must be shown once more."""
    if request.POST.get("selection") != digest(ids):
        return _("The selection has changed meanwhile. Check the numbers and confirm again.")
    if must_type(len(ids)) and not typed_number(request, len(ids)):
        return _("Nothing was started. Type the number of findings to confirm.")
    return ""


def _start(page: ModelAdmin, request: HttpRequest, chosen: list[Finding], act: Act) -> Job | None:
    """None when a limit does not allow it, which the page then shows."""
    token = token_of(request)
    options = {
        "findings": [finding.pk for finding in chosen],
        "action": act.action.value,
        "by": staff(request).get_username(),
        "run": secrets.token_hex(8),
    }
    count = ngettext("%(count)d finding", "%(count)d findings", len(chosen)) % {"count": len(chosen)}
    buckets = sorted({finding.bucket.name for finding in chosen})
    try:
        job = jobs.start(
            kind=act.kind,
            user=staff(request),
            scope=f"{act.action.label}: {scope(page, request, count, buckets=buckets)}",
            options=options,
            park="park" in request.POST,
            token=token,
        )
    except QuotaShort as short:
        refused_by_quota(short, act.kind)
        messages.error(request, sentence(short))
        return None
    except IntegrityError:
        return Job.objects.filter(token=token).first()  # the same form, sent twice
    log(request, chosen, CHANGE, _("%(action)s requested (job %(job)s)") % {"action": act.title, "job": job})
    return job
