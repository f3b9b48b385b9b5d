"""What each new version needs before its processes start, in this order."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from media_catalog.management.stopping import exit_on_sigterm
from media_catalog.quota.attribution import attribute
from media_catalog.services import readiness, static_files


class Command(BaseCommand):
    help = "Wait for the database, migrate it, install the schedules, publish static files (USE_S3). Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        exit_on_sigterm()
        readiness.wait_for_database(settings.DATABASE_WAIT_SECONDS)
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        call_command("sync_schedules", verbosity=options["verbosity"])
        if settings.USE_S3:
            with attribute(action="release"):
                count = static_files.publish()
            self.stdout.write(_("%(count)d static files published.") % {"count": count})
