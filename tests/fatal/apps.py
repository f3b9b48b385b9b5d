"""An app for tests: its process dies while it decodes a picture with a certain comment, as by a fault in a decoder."""

import os
import signal

from django.apps import AppConfig
from PIL.JpegImagePlugin import JpegImageFile

COMMENT = b"kills the decoder"


class FatalConfig(AppConfig):
    name = "tests.fatal"

    def ready(self) -> None:
        load = JpegImageFile.load_prepare

        def load_prepare(picture: JpegImageFile) -> None:
            if picture.info.get("comment") == COMMENT:
                os.kill(os.getpid(), signal.SIGSEGV)
            load(picture)

        JpegImageFile.load_prepare = load_prepare
