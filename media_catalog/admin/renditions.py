"""The renditions of an image on its page: what there is, and making or deleting one at a time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from media_catalog.exceptions import BackofficeError
from media_catalog.models import Image, Preset, Rendition
from media_catalog.services import renditions
from media_catalog.services.sentences import sentence

from .base import OfferedFilter
from .history import log


@dataclass(frozen=True, kw_only=True)
class Row:
    """A preset of the table; `stand_in` is the main rendition, whose link stands in for one that is not there yet."""

    preset: Preset
    rendition: Rendition | None
    current: bool
    stand_in: Rendition | None


def rows(image: Image) -> list[Row]:
    """Each preset that is active or has a rendition. Three queries."""
    made = {rendition.preset_id: rendition for rendition in image.renditions.select_related("bucket")}
    current = set(image.renditions.current().values_list("preset", flat=True))
    presets = list(Preset.objects.all())
    main = next((made[preset.pk] for preset in presets if preset.in_request and preset.pk in made), None)
    return [
        Row(preset=preset, rendition=made.get(preset.pk), current=preset.pk in current, stand_in=main)
        for preset in presets
        if preset.active or preset.pk in made
    ]


def find(image: int, slug: str) -> Rendition | None:
    """The rendition of a preset, or the main one while that is not there; None for a preset that nobody has."""
    made = Rendition.objects.filter(image=image, image__trashed_at=None).select_related("bucket", "image", "preset")
    known = Exists(Preset.objects.filter(slug=slug))
    return made.filter(preset__slug=slug).first() or made.filter(known, preset__in_request=True).first()


def main_links(images: Iterable[Image]) -> list[tuple[Image, str, str]]:
    """(image, address, text of the link) for each rendition that was made within the upload. One query."""
    made = Rendition.objects.filter(image__in=images, preset__in_request=True).select_related("image", "preset")
    return [
        (
            rendition.image,
            reverse("admin:media_catalog_image_rendition", args=[rendition.image_id, rendition.preset.slug]),
            f"{rendition.preset} ({rendition.width} × {rendition.height})",
        )
        for rendition in made.order_by("image", "pk")
    ]


class RenditionsFilter(OfferedFilter):
    title = gettext_lazy("renditions")
    parameter_name = "renditions"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, Any]]:
        return [("stale", gettext_lazy("Some are stale")), ("missing", gettext_lazy("Some are missing"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        if self.value() == "stale":
            return queryset.filter(has_stale())
        if self.value() == "missing":
            made = Rendition.objects.filter(image=OuterRef(OuterRef("pk")), preset=OuterRef("pk"))
            return queryset.filter(Exists(Preset.objects.filter(~Exists(made), active=True)))
        return queryset


def has_stale(preset: Preset | None = None) -> Exists:
    """The condition on an image that a rendition of it is stale, of any preset or of one."""
    of_preset = Q(preset=preset) if preset else Q()
    return Exists(Rendition.objects.stale().filter(of_preset, image=OuterRef("pk")))


def urls(page: ModelAdmin) -> list[URLPattern]:
    """Making and deleting, by POST: each is one interactive request or two, so no job."""
    site = page.admin_site
    return [
        path(
            f"<int:pk>/rendition/<slug:slug>/{name}/",
            site.admin_view(require_POST(_acting(page, name, act))),
            name=f"media_catalog_image_rendition_{name}",
        )
        for name, act in (("make", _make), ("delete", _delete))
    ]


def _acting(
    page: ModelAdmin, name: str, act: Callable[[Image, Preset], str]
) -> Callable[[HttpRequest, int, str], HttpResponse]:
    def view(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        image = get_object_or_404(Image.objects.select_related("bucket__renditions_bucket"), pk=pk)
        if not page.has_view_permission(request, image):
            raise PermissionDenied
        if not request.user.has_perm("media_catalog.make_renditions_image"):
            raise PermissionDenied
        preset = get_object_or_404(Preset, slug=slug)
        try:
            said = act(image, preset)
        except BackofficeError as error:
            messages.error(request, f"{preset}: {sentence(error)}")
        else:
            messages.success(request, said)
            log(request, [image], CHANGE, said)
        return redirect(reverse("admin:media_catalog_image_change", args=[pk]))

    return view


def _make(image: Image, preset: Preset) -> str:
    renditions.make_one(image=image, preset=preset)
    return _("Rendition “%(preset)s” made.") % {"preset": preset}


def _delete(image: Image, preset: Preset) -> str:
    rendition = Rendition.objects.select_related("bucket").filter(image=image, preset=preset).first()
    if rendition:
        renditions.delete_one(rendition=rendition)
    return _("Rendition “%(preset)s” deleted.") % {"preset": preset}
