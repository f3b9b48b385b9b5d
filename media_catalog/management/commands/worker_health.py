"""For the health check of a worker's container."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from media_catalog.jobs import health


class Command(BaseCommand):
    help = "Exit with 0 when the worker of this host lives and the queue moves; otherwise say what is wrong, with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        found = health.problems()
        if found:
            for problem in found:
                self.stderr.write(problem)
            sys.exit(1)
        if options["verbosity"]:
            self.stdout.write(_("The worker is well."))
