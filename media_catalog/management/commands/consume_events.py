"""Catalogue the objects that S3 announces."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from media_catalog.aws import sqs
from media_catalog.exceptions import AwsNotFound, BackofficeError
from media_catalog.jobs.consumer import Consumer
from media_catalog.management.stopping import exit_on_sigterm
from media_catalog.quota.attribution import attribute
from media_catalog.services import announcements, readiness
from media_catalog.services.sentences import sentence

RETRY_SECONDS = 5.0


class Command(BaseCommand):
    help = "Take S3's announcements of new objects from the queue EVENTS_QUEUE until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", action="store_true", help="Wait for a queue that is not there yet.")

    def handle(self, *args: Any, wait: bool, **options: Any) -> None:
        exit_on_sigterm()  # until the consumer has its own way to stop
        readiness.wait_for_database(settings.DATABASE_WAIT_SECONDS)
        while (queue := self._queue(wait)) is None:
            time.sleep(RETRY_SECONDS)
        self.stdout.write(_("Waiting for objects announced to %(queue)s.") % {"queue": settings.EVENTS_QUEUE})
        self.stdout.flush()  # stdout is a pipe under a process runner
        Consumer(queue).run()

    def _queue(self, wait: bool) -> sqs.Queue | None:
        """None when it is to be tried again."""
        try:
            with attribute(action="consume_events"):
                return announcements.queue()
        except AwsNotFound as error:
            said = _("There is no queue “%(name)s”: run wire_events first.") % {"name": settings.EVENTS_QUEUE}
            problem: BackofficeError = error
        except BackofficeError as error:
            said, problem = sentence(error), error
        if wait:
            self.stderr.write(said)
            return None
        raise CommandError(said) from problem
