"""What each new version needs before its processes start, in this order."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from media_catalog.management.stopping import exit_on_sigterm
from media_catalog.quota.attribution import attribute
from media_catalog.services import buckets, readiness, static_files


class Command(BaseCommand):
    help = "Wait for the database, migrate it, install the schedules, publish static files (USE_S3). Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--buckets", action="store_true", help="Run create_buckets too, unless the database has them already."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        exit_on_sigterm()
        readiness.wait_for_database(settings.DATABASE_WAIT_SECONDS)
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        call_command("sync_schedules", verbosity=options["verbosity"])
        if options["buckets"] and not buckets.named_are_ready():
            call_command("create_buckets", stdout=self.stdout)
        if settings.USE_S3:
            with attribute(action="release"):
                count = static_files.publish()
            self.stdout.write(_("%(count)d static files published.") % {"count": count})
