"""Moving files to the trash: what will go, then a few of them at once and more by a job."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog import jobs
from media_catalog.exceptions import BackofficeError, QuotaShort, TooManyItems
from media_catalog.models import Job, StoredFile, TrashedObject
from media_catalog.services import trash_objects
from media_catalog.services.object_keys import visible
from media_catalog.services.sentences import sentence

from .confirmation import digest, must_type, sent_fields, token_of, typed_number, way_back
from .costs import cost_context
from .history import log, refused_by_quota, staff
from .selecting import buckets_of, chosen_ids, scope
from .trash_actions import offer_undo, say_failed

SHOWN = 10  # names


def confirm_or_remove(page: ModelAdmin, request: HttpRequest, chosen: QuerySet[StoredFile]) -> HttpResponse:
    """The confirmation; on its button, exactly the files that the page counted go to the trash."""
    files = StoredFile.objects.filter(pk__in=chosen.values("pk")).select_related("bucket").order_by("pk")
    held = files.filter(bucket__legal_hold=True).count()
    files = files.filter(bucket__legal_hold=False)
    try:
        ids = chosen_ids(files)
    except TooManyItems as error:
        messages.error(request, sentence(error))
        return redirect(_back(request))
    if {"confirm", "park"} & set(request.POST):
        if objection := _objection(request, ids):
            messages.warning(request, objection)
        elif response := _remove(page, request, ids):
            return response
    context = _context(page, request, files, ids, held)
    return TemplateResponse(request, "admin/media_catalog/file_removal.html", context)


def _objection(request: HttpRequest, ids: list[int]) -> str:
    """Why the page must be shown once more."""
    if request.POST.get("selection") != digest(ids):
        return _("The selection has changed meanwhile. Check the numbers and confirm again.")
    if must_type(len(ids)) and not typed_number(request, len(ids)):
        return _("Nothing was moved. Type the number of files, %(count)s, to confirm.") % {
            "count": number_format(len(ids), force_grouping=True)
        }
    return ""


def _remove(page: ModelAdmin, request: HttpRequest, ids: list[int]) -> HttpResponse | None:
    """Where to go then; None when nothing was moved and the page says why."""
    options = {"files": ids, "run": secrets.token_hex(16)}
    if trash_objects.is_job_of_files(ids):
        return _start(page, request, options, token=token_of(request))
    return _move(page, request, options)


def _move(page: ModelAdmin, request: HttpRequest, options: Mapping[str, Any]) -> HttpResponse:
    """Within this request. What S3 is too slow for goes on as a job."""
    ids, run = options["files"], options["run"]
    moved, settled = None, set[int]()
    try:
        moved = trash_objects.move_files(ids=ids, run=run, settled=settled, at_once=True)
    except BackofficeError as error:
        messages.error(request, sentence(error))
    there = list(StoredFile.everything.filter(in_trash__in=TrashedObject.objects.filter(run=run).here()))
    if there:
        log(request, there, CHANGE, _("Moved to the trash."))
        offer_undo(request, len(there), run, _back(request))
    if lost := trash_objects.lost_files(ids):
        messages.info(request, lost)
    if moved:
        say_failed(request, moved)
    goes_on = None
    if moved and not moved.done:
        goes_on = _start(page, request, {**options, "settled": sorted(settled)}, token=None)
    return goes_on or redirect(_back(request))


def _start(
    page: ModelAdmin, request: HttpRequest, options: Mapping[str, Any], *, token: UUID | None
) -> HttpResponse | None:
    """To the page of the job; None when a limit does not allow it, which the page then shows."""
    ids = options["files"]
    files = ngettext("%(count)d file", "%(count)d files", len(ids)) % {"count": len(ids)}
    chosen = StoredFile.everything.filter(pk__in=ids)
    try:
        job = jobs.start(
            kind="remove_files",
            user=staff(request),
            scope=scope(page, request, files, buckets=buckets_of(chosen)),
            options=options,
            park="park" in request.POST,
            token=token,
        )
    except QuotaShort as short:
        refused_by_quota(short, "remove_files")
        messages.error(request, sentence(short))
        return None
    except IntegrityError:  # the same form, sent twice
        job = Job.objects.get(token=token)
        return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))
    log(request, chosen, CHANGE, _("Move to trash requested (job %(job)s)") % {"job": job})
    return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))


def _context(
    page: ModelAdmin, request: HttpRequest, files: QuerySet[StoredFile], ids: list[int], held: int
) -> dict[str, Any]:
    sizes = files.order_by().values_list("size", flat=True)
    by_job = trash_objects.is_job_of_files(ids)
    return {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Move files to trash"),
        "count": len(ids),
        "bytes": sum(sizes),
        "held": held,
        "names": [visible(file.name) for file in files[:SHOWN]],
        "more": max(0, len(ids) - SHOWN),
        "selection": digest(ids),
        "token": uuid4().hex,
        "must_type": must_type(len(ids)),
        "way_back": way_back(),
        "by_job": by_job,
        "fields": sent_fields(request, "index"),
        "back": _back(request),
        **cost_context(trash_objects.cost_of_files(ids), bulk=by_job),
    }


def _back(request: HttpRequest) -> str:
    """The list as it was filtered."""
    return f"{reverse('admin:media_catalog_storedfile_changelist')}?{request.GET.urlencode()}"
