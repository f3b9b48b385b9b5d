"""Swagger UI and the OpenAPI document, for staff."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from ninja import NinjaAPI


def view_of(api: NinjaAPI) -> Any:
    """The view: the page, or with `?format=openapi` the document."""

    @require_safe
    @staff_member_required
    def swagger(request: HttpRequest) -> HttpResponse:
        if request.GET.get("format") == "openapi":
            return JsonResponse(api.get_openapi_schema())
        settings = {"url": f"{request.path}?format=openapi", "layout": "BaseLayout", "deepLinking": True}
        return render(request, "async_image/swagger.html", {"api": api, "swagger_settings": settings})

    return swagger
