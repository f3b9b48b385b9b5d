"""The app of the development settings that holds the command `localcloud`; no production setting names it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LocalCloudConfig(AppConfig):
    """No models; ministack and dlib are imported by the server process only."""

    name = "localcloud"
    verbose_name = _("Local cloud")
