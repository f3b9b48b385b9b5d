from django.urls import path, re_path
from ninja import NinjaAPI

from . import errors, results, uploads
from .docs import view_of

api = NinjaAPI(
    title="Uploads",
    version="1",
    urls_namespace="async_image",
    openapi_url=None,
    docs_url=None,
    parser=errors.StrictParser(),
    description="Images go straight to S3, by forms that are signed here; the Lambda makes their renditions.",
)
errors.install(api)
api.add_router("", uploads.router)
api.add_router("", results.router)

patterns, ninja, namespace = api.urls
for pattern in patterns:
    if pattern.callback:
        pattern.callback = errors.with_problems(pattern.callback)

urlpatterns = [
    re_path(r"^docs/swagger/?$", view_of(api), name="api_docs"),
    path("", (patterns, ninja, namespace)),
]
