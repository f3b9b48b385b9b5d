"""Catalogue the objects that S3 announces."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from media_catalog.exceptions import AwsNotFound, BackofficeError
from media_catalog.jobs.consumer import Consumer
from media_catalog.quota.attribution import attribute
from media_catalog.services import events
from media_catalog.services.sentences import sentence


class Command(BaseCommand):
    help = "Take S3's announcements of new objects from the queue EVENTS_QUEUE until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with attribute(action="consume_events"):
                queue = events.queue()
        except AwsNotFound as error:
            name = settings.EVENTS_QUEUE
            raise CommandError(_("There is no queue “%(name)s”: run wire_events first.") % {"name": name}) from error
        except BackofficeError as error:
            raise CommandError(sentence(error)) from error
        self.stdout.write(_("Waiting for objects announced to %(queue)s.") % {"queue": settings.EVENTS_QUEUE})
        self.stdout.flush()  # stdout is a pipe under a process runner
        Consumer(queue).run()
