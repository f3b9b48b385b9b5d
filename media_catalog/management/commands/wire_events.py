"""Have S3 announce new objects to the queue of their bucket's resize engine."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from media_catalog.exceptions import BackofficeError
from media_catalog.quota.attribution import attribute
from media_catalog.services import announcements
from media_catalog.services.sentences import sentence


class Command(BaseCommand):
    help = "Create the queues that are missing and have S3 announce new objects to them. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with attribute(action="wire_events"):
                wired = announcements.wire()
        except BackofficeError as error:
            raise CommandError(sentence(error)) from error
        for each in wired:
            said = _("changed") if each.changed else _("as it was")
            self.stdout.write(f"{each.bucket.name} → {each.queue or _('nowhere')} ({said})")
