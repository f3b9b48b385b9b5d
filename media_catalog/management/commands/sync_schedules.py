"""Install the schedules of background work."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from media_catalog.jobs import schedules


class Command(BaseCommand):
    help = "Create or update the schedules. Safe to repeat; run it after each migrate."

    def handle(self, *args: Any, **options: Any) -> None:
        schedules.install()
        if options["verbosity"]:
            count = len(schedules.PLANS)
            text = ngettext("%(count)d schedule installed.", "%(count)d schedules installed.", count)
            self.stdout.write(text % {"count": count})
