"""`manage.py localcloud`: S3, queues and face detection on this computer, until stopped."""

import os
import signal
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from localcloud import process

LOCAL_NAMES = {"127.0.0.1", "localhost"}


class Command(BaseCommand):
    """Thin: `localcloud.process` does it."""

    help = "Run the embedded local cloud on the port of AWS_ENDPOINT_URL until Ctrl-C or SIGTERM."
    requires_system_checks: list[str] = []  # it must start before anything that a check could ask for

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Port and data default to what the settings say."""
        parser.add_argument("--port", type=int, help="port on 127.0.0.1; default: that of AWS_ENDPOINT_URL")
        parser.add_argument("--host", default=process.HOST, help="other than 127.0.0.1 in a container of its own only")
        parser.add_argument("--data-dir", type=Path, help="where objects and state live; default: .data/cloud")

    def handle(self, *, host: str, port: int | None, data_dir: Path | None, **options: Any) -> None:
        """Return on Ctrl-C or SIGTERM; CommandError (status 1) when the cloud cannot start or ends by itself."""
        # SIGINT too: it is ignored where a shell without job control has put the command into the background.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _interrupt)
        try:
            if settings.AWS_ENDPOINT_URL:
                self._run(host, port or _port(settings.AWS_ENDPOINT_URL), data_dir or settings.DATA_DIR / "cloud")
            else:
                self._idle()
        except KeyboardInterrupt:
            self.stdout.write(_("Local cloud stopped."))
        except process.CloudError as error:
            raise CommandError(_sentence(error)) from error

    def _run(self, host: str, port: int, data_dir: Path) -> None:
        with process.running(data_dir, host=host, port=port, account=_account()) as cloud:
            self._say(
                _("Local cloud ready at %(url)s, its data in %(directory)s.")
                % {"url": cloud.endpoint_url, "directory": cloud.data_dir}
            )
            cloud.wait()

    def _idle(self) -> None:
        """Wait all the same: the process runner ends everything when one process ends."""
        self._say(_("AWS_ENDPOINT_URL is not set: talking to AWS, the local cloud is not needed."))
        while True:
            signal.pause()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()  # stdout is a pipe under a process runner


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _port(endpoint_url: str) -> int:
    parts = urlsplit(endpoint_url)
    if parts.scheme != "http" or parts.hostname not in LOCAL_NAMES or not parts.port:
        raise CommandError(
            _(
                "AWS_ENDPOINT_URL is %(url)s, but the local cloud serves this computer only, "
                "by an address such as http://127.0.0.1:4566."
            )
            % {"url": endpoint_url}
        )
    return parts.port


def _account() -> process.Account:
    """The key that the clients sign with; boto3 reads it from the environment too."""
    missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not os.environ.get(name)]
    if missing:
        raise CommandError(_("Set %(names)s in the environment; any value will do.") % {"names": ", ".join(missing)})
    return process.Account(
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=settings.AWS_REGION,
    )


def _sentence(error: process.CloudError) -> str:
    match error:
        case process.AlreadyRunning(port=0, data_dir=directory):
            text = _("A local cloud already uses the data in %(directory)s.")
            return text % {"directory": directory}
        case process.AlreadyRunning(port=port, data_dir=directory):
            text = _("A local cloud already runs on port %(port)s, its data in %(directory)s.")
            return text % {"port": port, "directory": directory}
        case process.PortUnavailable(in_use=True, port=port):
            text = _("Port %(port)s is in use by another program: stop that, or change AWS_ENDPOINT_URL.")
            return text % {"port": port}
        case process.PortUnavailable(port=port, reason=reason):
            return _("Port %(port)s cannot be opened: %(reason)s.") % {"port": port, "reason": reason}
    status = error.status if isinstance(error, process.CloudEnded) else error
    return _("The local cloud ended unexpectedly: exit status %(status)s.") % {"status": status}
