"""Make a first start usable: a superuser, and on the local cloud buckets and sample pictures."""

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

from localcloud.samples import sample_pictures
from media_catalog import jobs
from media_catalog.models import Bucket, Upload
from media_catalog.quota.attribution import attribute
from media_catalog.services import uploads

PATIENCE_SECONDS = 60


class Command(BaseCommand):
    help = "Prepare a development machine: superuser, buckets with CORS, sample pictures. Does nothing twice."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="Where this site will be reached.")

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["url"]
        if settings.AWS_ENDPOINT_URL:
            _wait_for(settings.AWS_ENDPOINT_URL)
            origins = [f"--origin={url}", f"--origin={url.replace('127.0.0.1', 'localhost')}"]
            call_command("create_buckets", *origins, stdout=io.StringIO())
        user = self._superuser(url)
        if settings.AWS_ENDPOINT_URL and not Upload.objects.exists():
            self._samples(user)
        self.stdout.write(self.style.SUCCESS(f"Ready: {url}/admin/"))
        self.stdout.flush()

    def _superuser(self, url: str) -> User:
        existing = User.objects.filter(is_superuser=True).order_by("pk").first()
        if existing:
            return existing
        password = secrets.token_urlsafe(12)
        user = User.objects.create_superuser("admin", password=password)
        self.stdout.write(
            "\n".join(
                [
                    "",
                    f"  First start. Log in at {url}/admin/ as  admin  with the password  {password}",
                    "  It is shown this once. Change it with “Change password” at the top of each page,",
                    "  or on the command line: .venv/bin/python manage.py changepassword admin",
                    "",
                ]
            )
        )
        return user

    def _samples(self, user: User) -> None:
        bucket = Bucket.objects.get(name=settings.BUCKET_ORIGINALS)
        with attribute(username=user.get_username(), action="demo"):
            images = [
                uploads.store(file=io.BytesIO(body), name=name, caption="", bucket=bucket, user=user)
                for name, body in sample_pictures()
            ]
        jobs.start(kind="make_renditions", user=user, images=[image.pk for image in images], scope="Sample pictures")
        self.stdout.write(f"{len(images)} sample pictures uploaded; their previews are being made.")


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
    raise CommandError(f"Nothing answers at {endpoint}.")
