"""Create the buckets that the settings name, with CORS, and pair them."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from media_catalog.exceptions import BackofficeError
from media_catalog.quota.attribution import attribute
from media_catalog.services import buckets
from media_catalog.services.sentences import sentence


class Command(BaseCommand):
    help = "Create the buckets named in the settings where they are missing, and pair them. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--origin",
            action="append",
            default=[],
            help="Origin of this site, as browsers see it (https://backoffice.example); may be repeated.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        origins = options["origin"] or _origins(settings.ALLOWED_HOSTS)
        if not origins:
            raise CommandError(_("Name the origin of this site with --origin."))
        try:
            with attribute(action="create_buckets"):
                made = buckets.ensure_named(origins=origins)
        except BackofficeError as error:
            raise CommandError(sentence(error)) from error
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        for bucket in made:
            self.stdout.write(f"{bucket.name}: {bucket.get_role_display()}")


def _origins(hosts: list[str]) -> list[str]:
    """`.example.com` stands for the domain and what is below it; `*` names no origin."""
    named = [host for host in hosts if host != "*"]
    below = [f"https://*{host}" for host in named if host.startswith(".")]
    return [*(f"https://{host.removeprefix('.')}" for host in named), *below]
