"""Install the schedules of background work."""

from typing import Any

from django.core.management.base import BaseCommand

from media_catalog.jobs import schedules


class Command(BaseCommand):
    help = "Create or update the schedules. Safe to repeat; run it after each migrate."

    def handle(self, *args: Any, **options: Any) -> None:
        schedules.install()
        if options["verbosity"]:
            self.stdout.write(f"{len(schedules.EVERY_MINUTE)} schedules installed.")
