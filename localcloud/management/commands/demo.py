"""Make a first start usable: a superuser, and on the local cloud buckets, sample pictures and pages of one's own."""

import io
import secrets
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from localcloud import own_pages
from localcloud.samples import sample_pictures
from media_catalog import jobs
from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket, Image, JobItem, Upload
from media_catalog.quota.attribution import attribute
from media_catalog.services import buckets, uploads
from media_catalog.services.sentences import sentence

PATIENCE_SECONDS = 60


class Command(BaseCommand):
    help = "Prepare a development machine: superuser, buckets with CORS, sample pictures. Does nothing twice."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="Where this site will be reached.")

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["url"]
        if settings.AWS_ENDPOINT_URL:
            _wait_for(settings.AWS_ENDPOINT_URL)
        user = self._superuser(url)
        if settings.AWS_ENDPOINT_URL:
            self._fill(url, user)
        self._say(self.style.SUCCESS(_("Ready: %(url)s") % {"url": f"{url}/admin/"}))

    def _superuser(self, url: str) -> User:
        existing = User.objects.filter(is_superuser=True).order_by("pk").first()
        if existing:
            return existing
        password = secrets.token_urlsafe(12)
        user = User.objects.create_superuser("admin", password=password)
        text = _(
            "  First start. Log in at %(url)s as  admin  with the password  %(password)s\n"
            "  It is shown this once. Change it with “Change password” at the top of each page,\n"
            "  or on the command line: %(command)s"
        )
        command = ".venv/bin/python manage.py changepassword admin"
        self._say(f"\n{text}\n" % {"url": f"{url}/admin/", "password": password, "command": command})
        return user

    def _fill(self, url: str, user: User) -> None:
        """Buckets and samples. What fails is said, and the site starts all the same: limits are raised there."""
        origins = [url, url.replace("127.0.0.1", "localhost")]
        try:
            if not buckets.named_are_ready():
                call_command("create_buckets", *(f"--origin={origin}" for origin in origins), stdout=io.StringIO())
                call_command("wire_events", stdout=io.StringIO())
            samples = dict(sample_pictures())
            self._upload(samples, user)
            self._make_previews(samples, user)
            with attribute(username=user.get_username(), action="demo"):
                own_pages.ensure(user, origins=origins)
        except CommandError as error:
            self.stderr.write(str(error))
        except BackofficeError as error:
            self.stderr.write(sentence(error))

    def _upload(self, samples: dict[str, bytes], user: User) -> None:
        """Those that were never uploaded."""
        # An upload outlives its image: what staff removed stays away. One that was cut off is open until the sweep.
        tried = Upload.objects.filter(name__in=samples).exclude(status=Upload.Status.FAILED)
        known = set(tried.values_list("name", flat=True))
        bucket = Bucket.objects.get(name=settings.BUCKET_ORIGINALS)
        with attribute(username=user.get_username(), action="demo"):
            for name, body in samples.items():
                if name not in known:
                    uploads.store(file=io.BytesIO(body), name=name, caption="", bucket=bucket, user=user)

    def _make_previews(self, samples: dict[str, bytes], user: User) -> None:
        """Of those that have no rendition and wait for none."""
        queued = JobItem.objects.open().filter(image=OuterRef("pk"), job__kind="make_renditions")
        bare = Image.objects.filter(name__in=samples, renditions=None).exclude(Exists(queued))
        images = list(bare.values_list("pk", flat=True))
        if images:
            jobs.start(kind="make_renditions", user=user, images=images, scope=_("Sample pictures"))
            text = ngettext(
                "%(count)d sample picture is there; its previews are being made.",
                "%(count)d sample pictures are there; their previews are being made.",
                len(images),
            )
            self._say(text % {"count": len(images)})

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()  # stdout is a pipe under a process runner, and a start can be interrupted


def _wait_for(endpoint: str) -> None:
    address = urlsplit(endpoint)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((address.hostname or "", address.port or 80), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise CommandError(_("Nothing answers at %(endpoint)s.") % {"endpoint": endpoint})
