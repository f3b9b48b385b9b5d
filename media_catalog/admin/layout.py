"""The list of images as a list or as a gallery: a user's choice, kept in the session."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

GALLERY, LIST = "gallery", "list"
KEY = "images layout"


def is_gallery(request: HttpRequest) -> bool:
    return bool(request.session.get(KEY) == GALLERY)


def choose(request: HttpRequest) -> HttpResponse:
    """Keep what was posted and go back to the list as it was filtered."""
    if request.POST.get("layout") in (GALLERY, LIST):
        request.session[KEY] = request.POST["layout"]
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("admin:media_catalog_image_changelist")
    return redirect(back)
