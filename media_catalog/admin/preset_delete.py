"""Deleting a preset together with its renditions, behind a confirmation with their number; or why it stays."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import DELETION
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.exceptions import ObjectRefused
from media_catalog.models import Preset, RequestClass
from media_catalog.services import presets
from media_catalog.services.presets import Made
from media_catalog.services.renditions import SHOWN
from media_catalog.services.sentences import sentence

from .confirmation import must_type, typed_number
from .costs import cost_context
from .history import log


def delete_view(page: ModelAdmin, request: HttpRequest, preset: Preset) -> HttpResponse:
    """What goes with it and what that costs; on the button, it goes. Not in a transaction."""
    allowed = page.has_delete_permission(request, preset)
    if not (allowed and request.user.has_perm("media_catalog.make_renditions_image")):
        raise PermissionDenied
    made = presets.made_by(preset)
    obstacle = _obstacle(preset, made)
    if "confirm" in request.POST and not obstacle:
        if objection := _objection(request, made):
            messages.warning(request, objection)
        elif _remove(request, preset):
            return redirect(reverse("admin:media_catalog_preset_changelist"))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "title": _("Delete preset"),
        "preset": preset,
        "obstacle": obstacle,
        "count": made.count,
        "must_type": must_type(made.count),
        "pace": presets.PER_MINUTE,
        "back": reverse("admin:media_catalog_preset_change", args=[preset.pk]),
        **cost_context({RequestClass.FREE.value: made.count}),
    }
    return TemplateResponse(request, "admin/media_catalog/preset_delete.html", context)


def _obstacle(preset: Preset, made: Made) -> str:
    """Why it cannot be deleted."""
    limit = settings.JOB_MAX_ITEMS
    if preset.slug in SHOWN:
        return _("The pages of this site show its renditions, so it cannot be deleted.")
    if made.held:
        return ngettext(
            "%(count)s of its renditions is in a bucket under legal hold: it stays, and the preset with it.",
            "%(count)s of its renditions are in buckets under legal hold: they stay, and the preset with them.",
            made.held,
        ) % _grouped(count=made.held)
    if made.count > limit:
        return ngettext(
            "A preset goes with at most %(limit)s rendition at once; this one has %(count)s.",
            "A preset goes with at most %(limit)s renditions at once; this one has %(count)s.",
            limit,
        ) % _grouped(count=made.count, limit=limit)
    return ""


def _objection(request: HttpRequest, made: Made) -> str:
    """Why the page must be shown once more."""
    if request.POST.get("count") != str(made.count):
        return _("The number of renditions has changed meanwhile. Check it and confirm again.")
    if must_type(made.count) and not typed_number(request, made.count):
        return _("Nothing was deleted. Type the number of renditions, %(count)s, to confirm.") % _grouped(
            count=made.count
        )
    return ""


def _remove(request: HttpRequest, preset: Preset) -> bool:
    name = str(preset)
    try:
        with transaction.atomic():
            log(request, [preset], DELETION, _("Deleted with its renditions."))
            count = presets.remove(preset=preset)
    except ObjectRefused as refused:
        messages.error(request, sentence(refused))
        return False
    said = ngettext(
        "The preset “%(preset)s” was deleted with %(count)s rendition.",
        "The preset “%(preset)s” was deleted with %(count)s renditions.",
        count,
    )
    messages.success(request, said % {"preset": name, **_grouped(count=count)})
    return True


def _grouped(**numbers: int) -> Mapping[str, Any]:
    return {name: number_format(value, force_grouping=True) for name, value in numbers.items()}
