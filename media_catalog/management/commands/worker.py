"""Run the background workers."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from media_catalog.jobs import cluster
from media_catalog.jobs.supervisor import Supervisor
from media_catalog.management.stopping import exit_on_sigterm
from media_catalog.services import readiness


class Command(BaseCommand):
    help = "Run the background workers until SIGTERM, SIGHUP or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        # The cluster, started by this command.
        parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
        parser.add_argument("--pulses", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, lifeline: int | None, pulses: int, **options: Any) -> None:
        if lifeline is None:
            exit_on_sigterm()  # until the supervisor has its own way to stop
            readiness.wait_for_database(settings.DATABASE_WAIT_SECONDS)
            Supervisor().run()
        else:
            cluster.run(lifeline, pulses)
