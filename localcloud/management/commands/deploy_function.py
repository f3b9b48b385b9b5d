"""The Lambda on the local cloud, for buckets whose resize engine it is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from localcloud import function
from media_catalog.aws import sqs
from media_catalog.models import Bucket, Preset

BUILD = Path(__file__).resolve().parents[3] / "lambda" / "build.py"


class Command(BaseCommand):
    help = "Build function.zip, run it on the local cloud and feed it with the events of its buckets. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--callback-url",
            default="",
            help="Where uploads of the API are reported to, signed with the first of ASYNC_IMAGE_CALLBACK_SECRETS.",
        )

    def handle(self, *args: Any, callback_url: str, **options: Any) -> None:
        buckets = Bucket.objects.for_uploads().filter(resize_engine=Bucket.ResizeEngine.LAMBDA)
        pairs = dict(buckets.values_list("name", "renditions_bucket__name"))
        if not settings.AWS_ENDPOINT_URL or not pairs:
            raise CommandError(
                _("This needs the local cloud, and a bucket whose resize engine is the Lambda function.")
            )
        environment = {**_shared(), **_callback(callback_url)}
        call_command("wire_events", stdout=self.stdout)
        queue = sqs.find_queue(settings.RESIZER_QUEUE)
        assert queue is not None  # noqa: S101  (wired)
        python = f"{sys.version_info.major}.{sys.version_info.minor}"  # functions run in the cloud's own interpreter
        archive = settings.DATA_DIR / "function.zip"
        subprocess.run([sys.executable, BUILD, "--python", python, "--output", archive], check=True)  # noqa: S603
        function.deploy(
            archive,
            endpoint_url=settings.AWS_ENDPOINT_URL,
            queue_arn=queue.arn,
            pairs=pairs,
            environment=environment,
            python=python,
        )
        self.stdout.write(
            _("%(name)s takes the objects of %(buckets)s.") % {"name": function.NAME, "buckets": ", ".join(pairs)}
        )


def _shared() -> dict[str, str]:
    """What the function must know as the site does: else it refuses what the site's forms allow, or overlooks it."""
    return {
        "UPLOAD_BUCKET": settings.ASYNC_IMAGE_UPLOAD_BUCKET,
        "TEMP_PREFIX": settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH,
        "IMAGE_MAX_BYTES": str(settings.IMAGE_MAX_BYTES),
        "IMAGE_MAX_PIXELS": str(settings.IMAGE_MAX_PIXELS),
        "IMAGE_FORMATS": ",".join(settings.IMAGE_FORMATS),
        **_thumbnail(),
    }


def _thumbnail() -> dict[str, str]:
    """The width of the preset; the function's own where staff have deleted it."""
    width = Preset.objects.filter(slug=Preset.THUMBNAIL).values_list("width", flat=True).first()
    return {"THUMBNAIL_WIDTH": str(width)} if width else {}


def _callback(url: str) -> dict[str, str]:
    if not url:
        return {}
    if not settings.ASYNC_IMAGE_CALLBACK_SECRETS:
        raise CommandError(_("ASYNC_IMAGE_CALLBACK_SECRETS has no secret to sign the reports with."))
    return {"CALLBACK_URL": url, "CALLBACK_SECRET": settings.ASYNC_IMAGE_CALLBACK_SECRETS[0]}
