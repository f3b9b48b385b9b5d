"""The list of images as a list or a gallery: a user's choice, kept in the session. Before, phones have a gallery."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from media_catalog.models import Image

GALLERY, LIST = "gallery", "list"
KEY = "images layout"


def chosen(request: HttpRequest) -> str:
    """GALLERY or LIST; empty while nothing was chosen."""
    choice = request.session.get(KEY)
    return choice if choice in (GALLERY, LIST) else ""


def mark(request: HttpRequest, rows: Iterable[Image]) -> None:
    """Set `layout` on each, as chosen."""
    layout = chosen(request)
    for row in rows:
        row.layout = layout  # type: ignore[attr-defined]


def choose(request: HttpRequest) -> HttpResponse:
    """Keep what was posted and go back to the list as it was filtered."""
    if request.POST.get("layout") in (GALLERY, LIST):
        request.session[KEY] = request.POST["layout"]
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("admin:media_catalog_image_changelist")
    return redirect(back)
