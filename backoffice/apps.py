from django.contrib.admin.apps import AdminConfig
from django.db.backends.signals import connection_created

from .sqlite import use_all_parameters


class BackofficeAdminConfig(AdminConfig):
    default_site = "backoffice.site.BackofficeSite"

    def ready(self) -> None:
        super().ready()
        connection_created.connect(use_all_parameters)
