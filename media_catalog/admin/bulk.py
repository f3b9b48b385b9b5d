"""Actions on images: what each is called, and how the list and the page of an image lead to its confirmation.

`BY_KIND` holds all that may be retried.
"""

from dataclasses import dataclass, field
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy, ngettext

from media_catalog import jobs
from media_catalog.exceptions import TooManyItems
from media_catalog.models import Image, Job
from media_catalog.services.sentences import sentence

from . import confirmation
from .history import staff
from .selecting import chosen_ids, scope


@dataclass(frozen=True, kw_only=True)
class BulkAction:
    """`options` are names of check boxes on the page, as the kind of job knows them."""

    kind: str
    title: str | Promise
    button: str | Promise
    options: dict[str, str | Promise] = field(default_factory=dict)
    destructive: bool = False


MAKE_RENDITIONS = BulkAction(
    kind="make_renditions",
    title=gettext_lazy("Make renditions"),
    button=gettext_lazy("Make renditions"),
)
DETECT_FACES = BulkAction(
    kind="detect_faces",
    title=gettext_lazy("Detect faces"),
    button=gettext_lazy("Detect faces"),
    options={"again": gettext_lazy("Analyse images again that have not changed")},
)
REMOVE_IMAGES = BulkAction(
    kind="remove_images",
    title=gettext_lazy("Move images to trash"),
    button=gettext_lazy("Move to trash"),
    destructive=True,
)
MOVE_IMAGE = BulkAction(
    kind="move_image",
    title=gettext_lazy("Move image"),
    button=gettext_lazy("Move"),
)


BY_KIND = {action.kind: action for action in (MAKE_RENDITIONS, DETECT_FACES, REMOVE_IMAGES, MOVE_IMAGE)}


def confirm_or_start(
    page: ModelAdmin, request: HttpRequest, images: QuerySet[Image], action: BulkAction
) -> HttpResponse:
    """The confirmation of an action on images that were chosen on their list, or on the page of one."""
    try:
        ids = chosen_ids(images)
    except TooManyItems as error:
        messages.error(request, sentence(error))
        return redirect(_back(request, []))
    options = {name: name in request.POST for name in action.options}

    def start(*, park: bool, token: UUID | None) -> Job:
        return jobs.start(
            kind=action.kind,
            user=staff(request),
            images=ids,
            scope=scope(page, request, ngettext("%(count)d image", "%(count)d images", len(ids)) % {"count": len(ids)}),
            options=options,
            park=park,
            token=token,
        )

    selection = confirmation.Selection(
        ids=ids,
        kind=action.kind,
        options=options,
        fields=confirmation.sent_fields(request, "from_image"),
        back=_back(request, ids),
        back_label=capfirst(str(page.opts.verbose_name_plural)),
        start=start,
    )
    asked = confirmation.Question(
        title=str(action.title), button=str(action.button), choices=action.options, destructive=action.destructive
    )
    return confirmation.confirm_or_start(page, request, selection, asked)


def _back(request: HttpRequest, ids: list[int]) -> str:
    """Where the user came from: the page of the one image, or the list as it was filtered."""
    if request.POST.get("from_image") and len(ids) == 1:
        return reverse("admin:media_catalog_image_change", args=ids)
    return f"{reverse('admin:media_catalog_image_changelist')}?{request.GET.urlencode()}"
