"""Restoring and purging: what it costs, the jobs that do it, and the way back right after a deletion."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE, DELETION
from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog import jobs
from media_catalog.exceptions import BackofficeError, QuotaShort, TooManyItems
from media_catalog.jobs import restored
from media_catalog.models import Image, Job, StoredFile, TrashedObject
from media_catalog.models.trash import TrashedQuerySet
from media_catalog.quota.estimate import estimate
from media_catalog.services import restore_costs, trash_purge, trash_restore
from media_catalog.services.object_keys import visible
from media_catalog.services.selection import candidates
from media_catalog.services.sentences import sentence
from media_catalog.services.trash_objects import AT_ONCE, Moved
from media_catalog.services.turns import AT_ONCE_BYTES

from .confirmation import digest, must_type, token_of, typed_number
from .costs import cost_context, in_words
from .history import log, refused_by_quota, staff
from .selecting import buckets_of, chosen_ids, scope

SHOWN = 20  # names of the selection on the confirmation
MARKED = 5000  # rows with one UPDATE


@dataclass(frozen=True, kw_only=True)
class TrashAction:
    """`fits` are those of the chosen rows that it can be done with, `cost` the requests that they take."""

    kind: str
    permission: str
    title: str | Promise
    button: str | Promise
    fits: Callable[[TrashedQuerySet], TrashedQuerySet]
    cost: Callable[[TrashedQuerySet], dict[str, int]]
    flag: int = CHANGE
    destructive: bool = False


RESTORE = TrashAction(
    kind="restore",
    permission="media_catalog.restore_trashedobject",
    title=gettext_lazy("Restore from trash"),
    button=gettext_lazy("Restore"),
    fits=TrashedQuerySet.here,
    cost=restore_costs.cost,
)
PURGE = TrashAction(
    kind="purge",
    permission="media_catalog.purge_trashedobject",
    title=gettext_lazy("Purge now"),
    button=gettext_lazy("Delete for good"),
    fits=trash_purge.purgeable,
    cost=trash_purge.cost,
    flag=DELETION,
    destructive=True,
)


def confirm_or_start(
    page: ModelAdmin,
    request: HttpRequest,
    chosen: TrashedQuerySet,
    action: TrashAction,
    *,
    fields: Sequence[tuple[str, str]],
    back: str,
) -> HttpResponse:
    """The confirmation, and on its button a job with exactly the rows that it counted. `fields` ask for them again."""
    rows = action.fits(chosen.order_by())
    try:
        ids = chosen_ids(rows)
    except TooManyItems as error:
        messages.error(request, sentence(error))
        return redirect(back)
    if {"confirm", "park"} & set(request.POST):
        if objection := _objection(request, ids):
            messages.warning(request, objection)
        elif job := _start(page, request, rows, ids, action):
            return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]))
    context = {
        **page.admin_site.each_context(request),
        "opts": TrashedObject._meta,
        "media": page.media,
        "title": action.title,
        "action": action,
        "fields": fields,
        "back": back,
        "selection": digest(ids),
        "token": uuid4().hex,
        "count": len(ids),
        "must_type": must_type(len(ids)),
        "bytes": rows.aggregate(sum=Sum("size"))["sum"] or 0,
        "names": [visible(key) for key in rows.order_by("-trashed_at", "-pk").values_list("key", flat=True)[:SHOWN]],
        "more": max(0, len(ids) - SHOWN),
        "left_out": chosen.count() - len(ids),
        "follows": _follows(rows) if action is RESTORE else "",
        "ruled": action is RESTORE and trash_restore.ruled(rows),
        **cost_context(action.cost(rows), bulk=True),
    }
    return TemplateResponse(request, "admin/media_catalog/trash_confirm.html", context)


def undo(page: ModelAdmin, request: HttpRequest, rows: TrashedQuerySet, *, fields: Any, back: str) -> HttpResponse:
    """Bring back what one deletion has moved: a few at once, more and large ones by a job behind its confirmation.

    What S3 is too slow for goes on as a job.
    """
    here = rows.here()
    count = here.count()
    if not count:
        messages.info(request, _("Nothing of it is in the trash any more."))
        return redirect(back)
    if count > AT_ONCE or here.filter(size__gt=AT_ONCE_BYTES).exists():
        return confirm_or_start(page, request, rows, RESTORE, fields=fields, back=back)
    run = secrets.token_hex(16)
    _mark(here.values_list("pk", flat=True), run)
    catalogued = [row for rows in _catalogued(run) for row in rows]
    others = TrashedObject.objects.filter(run=run, image=None, file=None)
    places = {row.bucket for row in others.select_related("bucket")}
    try:
        turn = trash_restore.restore_run(run, seconds=settings.PAGE_SECONDS)
    except BackofficeError as error:
        messages.error(request, sentence(error))
        turn, left = trash_restore.told(run), []
    else:
        left = list(trash_restore.left(run).values_list("pk", flat=True))
    _say_restored(request, turn, count - len(left))
    restored.follow_up(run)
    log(request, [*catalogued, *places], CHANGE, _("Restored from the trash."))
    job = _start(page, request, TrashedObject.objects.filter(pk__in=left), left, RESTORE)
    return redirect(reverse("admin:media_catalog_job_change", args=[job.pk]) if job else back)


def offer_undo(request: HttpRequest, count: int, run: str, back: str) -> None:
    """Say that so many were moved to the trash by the run, with a button that brings them back."""
    said = ngettext("%(count)d object moved to the trash.", "%(count)d objects moved to the trash.", count)
    messages.success(request, format_html("{} {}", said % {"count": count}, _undo_form(request, run, back)))


def say_failed(request: HttpRequest, moved: Moved) -> None:
    """What could not be moved to the trash, and why."""
    for what, why in moved.failed:
        messages.error(request, format_html("<strong>{}</strong>: {}", what, why))


def safe_back(request: HttpRequest) -> str:
    """Where the form says that the user came from, within this site; else the trash."""
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return back
    return reverse("admin:media_catalog_trashedobject_changelist")


def _undo_form(request: HttpRequest, run: str, back: str) -> SafeString:
    here = TrashedObject.objects.filter(run=run).here()
    return format_html(
        '<form method="post" action="{}" class="bo-undo"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<input type="hidden" name="run" value="{}"><input type="hidden" name="next" value="{}">'
        '<button type="submit" class="bo-button">{}</button></form>',
        reverse("admin:media_catalog_trashedobject_undo"),
        get_token(request),
        run,
        back,
        _("Undo (%(requests)s)") % {"requests": in_words(restore_costs.cost(here))},
    )


def _say_restored(request: HttpRequest, turn: trash_restore.Turn, count: int) -> None:
    if turn.restored:
        said = ngettext("%(count)d object restored.", "%(count)d objects restored.", turn.restored)
        messages.success(request, said % {"count": turn.restored})
    for line in trash_restore.changed_words(turn):
        messages.warning(request, line)
    if turn.restored < count:
        link = reverse("admin:media_catalog_trashedobject_changelist")
        said = ngettext("%(count)d is not restored:", "%(count)d are not restored:", count - turn.restored)
        words = said % {"count": count - turn.restored}
        messages.warning(request, format_html('{} <a href="{}">{}</a>', words, link, _("the trash says why")))


def _objection(request: HttpRequest, ids: Sequence[int]) -> str:
    """Why the page must be shown once more. What was shown is what goes: its numbers belong to these rows."""
    if request.POST.get("selection") != digest(ids):
        return _("The selection has changed meanwhile. Check the numbers and confirm again.")
    if must_type(len(ids)) and not typed_number(request, len(ids)):
        return _("Nothing was started. Type the number of objects, %(count)s, to confirm.") % {
            "count": number_format(len(ids), force_grouping=True)
        }
    return ""


def _start(
    page: ModelAdmin, request: HttpRequest, rows: TrashedQuerySet, ids: Sequence[int], action: TrashAction
) -> Job | None:
    """None when nothing is selected or a limit does not allow it, which the page then shows."""
    if not ids:
        return None
    token, run = token_of(request), secrets.token_hex(16)
    objects = ngettext("%(count)d object", "%(count)d objects", len(ids)) % {"count": len(ids)}
    try:
        with transaction.atomic():
            _mark(ids, run)
            options = {"run": run, "count": len(ids)}
            job = jobs.start(
                kind=action.kind,
                user=staff(request),
                scope=scope(page, request, objects, buckets=buckets_of(rows)),
                options=options,
                park="park" in request.POST,
                token=token,
            )
    except QuotaShort as short:
        refused_by_quota(short, action.kind)
        messages.error(request, sentence(short))
        return None
    except IntegrityError:  # the same form, sent twice
        return Job.objects.filter(token=token).first() if token else None
    message = _("%(action)s requested (job %(job)s)") % {"action": action.title, "job": job}
    for marked in (TrashedObject.objects.filter(run=run), *_catalogued(run)):
        log(request, marked, action.flag, message)
    return job


def _mark(ids: Any, run: str) -> None:
    ids = list(ids)
    for first in range(0, len(ids), MARKED):
        TrashedObject.objects.filter(pk__in=ids[first : first + MARKED]).update(run=run)


def _catalogued(run: str) -> list[QuerySet[Any]]:
    """The rows of the catalogue that the run is about."""
    return [kind.everything.filter(in_trash__run=run) for kind in (Image, StoredFile)]


def _follows(rows: TrashedQuerySet) -> str:
    """Requests for the renditions of the images among them, of which none is kept in the trash; empty for none."""
    images = Image.everything.for_workers().filter(in_trash__in=rows).values_list("pk", flat=True)
    made = estimate("make_renditions", candidates(list(images), in_trash=True), {}).requests
    return in_words(made) if made else ""
