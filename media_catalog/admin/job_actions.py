"""What staff do with jobs: cancel, pause, resume, retry, delete; and with the queue as a whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE, DELETION
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from media_catalog import jobs
from media_catalog.jobs import control, words
from media_catalog.jobs.enqueue import failed_images
from media_catalog.jobs.kinds import KINDS
from media_catalog.jobs.progress import Progress, progress
from media_catalog.models import Job, TrashedObject, WorkQueue

from . import bulk, confirmation, job_retry, trash_actions
from .history import log, staff


@dataclass(frozen=True, kw_only=True)
class Action:
    """`warning` is asked about before it is done; `run` does it, says so and answers."""

    slug: str
    label: str | Promise
    run: Callable[[ModelAdmin, HttpRequest, Job], HttpResponse]
    warning: str | Promise = ""
    css: str = ""


def allowed(user: User, job: Job) -> set[str]:
    """The actions (slugs) that the user may take with a job that they see, whatever its state."""
    found = {DELETE.slug} if user.has_perm("media_catalog.delete_job") else set()
    found |= {UNDO.slug} if user.has_perm(trash_actions.RESTORE.permission) else set()
    if job.requested_by_id != user.pk and not user.has_perm("media_catalog.control_job"):
        return found
    found |= {CANCEL.slug, PAUSE.slug, RESUME.slug}
    may_start = job.kind in KINDS and any(map(user.has_perm, KINDS[job.kind].permissions))
    return found | {RETRY.slug} if may_start else found


def possible(job: Job, so_far: Progress) -> set[str]:
    """The actions (slugs) that make sense as the job is now."""
    if job.is_over:
        found = {DELETE.slug, RETRY.slug} if so_far.failed else {DELETE.slug}
        return found | {UNDO.slug} if job.kind in TO_TRASH else found
    if job.is_cancelling:
        return set()
    return {CANCEL.slug, RESUME.slug if job.state == Job.State.PAUSED else PAUSE.slug}


def urls(page: ModelAdmin) -> Iterator[URLPattern]:
    for action in ACTIONS:
        view = page.admin_site.admin_view(require_POST(partial(_act, page, action)))
        yield path(f"<int:pk>/{action.slug}/", view, name=f"media_catalog_job_{action.slug}")
    for slug, queue_view in (("pause", _pause_queue), ("resume", _resume_queue)):
        yield path(
            f"queue/{slug}/", page.admin_site.admin_view(require_POST(queue_view)), name=f"media_catalog_queue_{slug}"
        )


def _act(page: ModelAdmin, action: Action, request: HttpRequest, pk: int) -> HttpResponse:
    job = page.get_queryset(request).filter(pk=pk).first()
    if job is None:
        messages.warning(request, _("Job #%(number)d is not there, or your account may not see it.") % {"number": pk})
        return _to_list()
    if action.slug not in allowed(staff(request), job):
        raise PermissionDenied
    so_far = progress(job)
    if action.slug not in possible(job, so_far):
        now = words.state(job, so_far).label
        messages.info(request, _("Nothing was changed. Job %(job)s: %(state)s.") % {"job": job, "state": now})
        return _to(job)
    if action.warning and "confirm" not in request.POST:
        return _ask(page, request, job, action, so_far)
    return action.run(page, request, job)


def _ask(page: ModelAdmin, request: HttpRequest, job: Job, action: Action, so_far: Progress) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": action.label,
        "job": job,
        "job_title": words.title(job),
        "action": action,
        "summary": words.summary(so_far),
    }
    return TemplateResponse(request, "admin/media_catalog/job_confirm.html", context)


def _to(job: Job) -> HttpResponse:
    return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))


def _to_list() -> HttpResponse:
    return redirect(reverse("admin:media_catalog_job_changelist"))


def _cancel(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    count = control.cancel(job, by=staff(request).get_username())
    if count is None:
        messages.warning(request, _("Nothing was cancelled: the job is over."))
        return _to(job)
    log(request, [job], CHANGE, _("Cancelled."))
    said = ngettext(
        "Cancelled: %(count)d item will not be started.", "Cancelled: %(count)d items will not be started.", count
    )
    messages.success(request, said % {"count": count})
    return _to(job)


def _pause(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    if control.pause(job):
        log(request, [job], CHANGE, _("Paused."))
        messages.success(request, _("Paused: no further item starts until the job is resumed."))
    return _to(job)


def _resume(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    if control.resume(job):
        log(request, [job], CHANGE, _("Resumed."))
        messages.success(request, _("Resumed, as far as the quota allows now."))
    return _to(job)


def _delete(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    try:
        with transaction.atomic():
            log(request, [job], DELETION, _("Deleted."))
            control.delete(job, by=staff(request).get_username())
    except ValueError:
        messages.error(request, _("Job %(job)s is not over, so it was not deleted.") % {"job": job})
        return _to(job)
    messages.success(request, _("Job %(job)s was deleted.") % {"job": job})
    return _to_list()


def _retry(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    """Through the confirmation with its cost, as for the first time, and with the options of then."""

    def start(*, park: bool, token: UUID | None) -> Job:
        new = jobs.retry(job, user=staff(request), park=park, token=token)
        log(request, [job], CHANGE, _("Failed items retried as job %(job)s.") % {"job": new})
        return new

    if not KINDS[job.kind].takes_images:
        return job_retry.confirm_or_start(page, request, job)
    action = bulk.BY_KIND[job.kind]
    asked = confirmation.Question(
        title=_("%(action)s: failed items of job %(job)s") % {"action": action.title, "job": job},
        button=str(action.button),
        destructive=action.destructive,
    )
    selection = confirmation.Selection(
        ids=failed_images(job),
        kind=job.kind,
        options=job.options,
        back=reverse("admin:media_catalog_job_change", args=[job.pk]),
        back_label=words.title(job),
        start=start,
    )
    return confirmation.confirm_or_start(page, request, selection, asked)


def _undo(page: ModelAdmin, request: HttpRequest, job: Job) -> HttpResponse:
    back = reverse("admin:media_catalog_job_change", args=[job.pk])
    rows = TrashedObject.objects.filter(job=job)
    return trash_actions.confirm_or_start(page, request, rows, trash_actions.RESTORE, fields=[], back=back)


TO_TRASH = {"remove_images", *job_retry.TO_TRASH}  # kinds of job
CANCEL = Action(
    slug="cancel",
    label=gettext_lazy("Cancel job"),
    run=_cancel,
    warning=gettext_lazy(
        "Items that have not begun will not be started; those that run end first. What was reserved for the others is"
        " given back. A cancelled job cannot go on."
    ),
    css="bo-danger",
)
PAUSE = Action(slug="pause", label=gettext_lazy("Pause"), run=_pause)
RESUME = Action(slug="resume", label=gettext_lazy("Resume"), run=_resume)
RETRY = Action(slug="retry", label=gettext_lazy("Retry failed…"), run=_retry)
DELETE = Action(
    slug="delete",
    label=gettext_lazy("Delete job"),
    run=_delete,
    warning=gettext_lazy(
        "The job goes, with its items and what they say. The images stay as they are. An audit event and the quota keep"
        " what it was."
    ),
    css="bo-danger",
)
UNDO = Action(slug="undo", label=gettext_lazy("Undo…"), run=_undo)
ACTIONS = (RESUME, PAUSE, UNDO, RETRY, CANCEL, DELETE)


def _pause_queue(request: HttpRequest) -> HttpResponse:
    if control.pause_queue(by=_manager(request)):
        log(request, WorkQueue.objects.all(), CHANGE, _("Paused."))
        messages.success(request, _("The queue is paused: no item of any job starts."))
    else:
        messages.info(request, _("The queue is paused already."))
    return _to_list()


def _resume_queue(request: HttpRequest) -> HttpResponse:
    if control.resume_queue(by=_manager(request)):
        log(request, WorkQueue.objects.all(), CHANGE, _("Resumed."))
        messages.success(request, _("The queue goes on."))
    else:
        messages.info(request, _("The queue is not paused."))
    return _to_list()


def _manager(request: HttpRequest) -> str:
    """The name of the user, who may pause the queue."""
    if not request.user.has_perm("media_catalog.pause_workqueue"):
        raise PermissionDenied
    return staff(request).get_username()
