"""Names who spends for the requests that a page makes."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve

from media_catalog.quota.attribution import attribute


def attribute_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        user = getattr(request, "user", None)
        try:
            action = resolve(request.path_info).view_name
        except Resolver404:
            action = ""
        with attribute(username=user.get_username() if user else "", action=action):
            return get_response(request)

    return middleware
