"""Retrying a job without images: what it would do again and what that takes, behind the guard of the first time."""

from collections.abc import Mapping
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog import jobs
from media_catalog.exceptions import QuotaShort
from media_catalog.jobs import control, words
from media_catalog.jobs.kinds import KINDS
from media_catalog.models import Bucket, Job, JobItem
from media_catalog.services.sentences import sentence

from .confirmation import must_type, token_of, typed_number, way_back
from .costs import cost_context
from .finding_actions import DELETE as DELETE_FINDINGS
from .history import log, refused_by_quota, staff

NAMED = "empty_bucket"  # asks for the name of the bucket
FOR_GOOD: Mapping[str, str | Promise] = {
    NAMED: gettext_lazy(
        "What is left in the bucket is deleted, all versions included, then the bucket; and from the catalogue what it"
        " has of it. This cannot be undone."
    ),
    "purge": gettext_lazy("They are deleted for good. This cannot be undone here."),
    "sweep_retention": gettext_lazy("What the rule of the bucket lets go by now is deleted for good."),
    DELETE_FINDINGS.kind: DELETE_FINDINGS.note,
}
TO_TRASH = ("trash_objects", "remove_files")
ONE_AT_A_TIME = (NAMED, "sync_inventory", "reconcile", "adopt_objects", "sweep_retention")  # of a bucket


def confirm_or_start(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    """The confirmation; on its button, a new job that does what is left."""
    count = KINDS[job.kind].left
    left = count(job.options) if count else None
    if {"confirm", "park"} & set(request.POST):
        if objection := _objection(request, job, left):
            messages.warning(request, objection)
        elif new := _start(request, job):
            return redirect(reverse("admin:media_catalog_job_change", args=[new.pk]))
    failed = job.items.filter(state=JobItem.State.FAILED).first()
    context = {
        **page.admin_site.each_context(request),
        **cost_context(KINDS[job.kind].requests(job.options), bulk=True),
        "opts": page.opts,
        "media": page.media,
        "title": _("Retry job %(job)s") % {"job": job},
        "job": job,
        "job_title": words.title(job),
        "said": failed.message if failed else "",
        "left": left,
        "note": FOR_GOOD.get(job.kind) or (way_back() if job.kind in TO_TRASH else ""),
        "destructive": job.kind in FOR_GOOD or job.kind in TO_TRASH,
        "must_type": bool(left) and must_type(left or 0),
        "must_name": job.kind == NAMED,
        "nothing_left": left == 0 or (job.kind == NAMED and _bucket(job) is None),
        "token": uuid4().hex,
    }
    return TemplateResponse(request, "admin/media_catalog/job_retry.html", context)


def _bucket(job: Job) -> Bucket | None:
    return Bucket.objects.filter(pk=job.options.get("bucket")).first()


def _objection(request: HttpRequest, job: Job, left: int | None) -> str:
    """Why the page must be shown once more."""
    if left == 0:
        return _("Nothing was started: nothing of it is left to do.")
    if left is not None and request.POST.get("left") != str(left):
        return _("What is left has changed meanwhile. Check the numbers and confirm again.")
    if left is not None and must_type(left) and not typed_number(request, left):
        return _("Nothing was started. Type the number, %(count)s, to confirm.") % {
            "count": number_format(left, force_grouping=True)
        }
    bucket = _bucket(job)
    if job.kind == NAMED and (bucket is None or request.POST.get("name") != bucket.name):
        return _("Nothing was started. Type the name of the bucket exactly to confirm.")
    return ""


def _start(request: HttpRequest, job: Job) -> Job | None:
    """The new job, or the one that does the same already; None when a limit does not allow it, as the page says."""
    token = token_of(request)
    try:
        with transaction.atomic():
            # Locked, so that the second click of two finds the job of the first.
            Job.objects.select_for_update().filter(pk=job.pk).exists()
            if other := _under_way(job):
                messages.info(request, _("This is under way already, as this job."))
                return other
            new = jobs.retry(job, user=staff(request), park="park" in request.POST, token=token)
    except QuotaShort as short:
        refused_by_quota(short, job.kind)
        messages.error(request, sentence(short))
        return None
    except IntegrityError:  # the same form, sent twice
        return Job.objects.filter(token=token).first() if token else None
    log(request, [job], CHANGE, _("Failed items retried as job %(job)s.") % {"job": new})
    return new


def _under_way(job: Job) -> Job | None:
    retried = job.retries.exclude(state__in=Job.OVER).first()
    if retried or job.kind not in ONE_AT_A_TIME:
        return retried
    return control.under_way(job.kind, job.options["bucket"])
