from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MediaCatalogConfig(AppConfig):
    name = "media_catalog"
    verbose_name = _("Media catalogue")

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers the system checks)
