"""The server process: ministack with DetectFaces, an access log and a checkpoint, on one local port.

`python -m localcloud.server` is started by `localcloud.process`, whose docstring names its environment. It
ends, saving its state, on SIGTERM, SIGINT, or when its standard input closes: when its parent is gone.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote_to_bytes

import boto3
from botocore.config import Config
from hypercorn.asyncio import serve
from hypercorn.config import Config as ServerConfig
from ministack import app as ministack
from ministack.core.persistence import save_all

from localcloud import access_log, asgi
from localcloud.process import STATUS_PATH
from localcloud.rekognition import TARGET_PREFIX, Rekognition

# ministack has no types. The second is private, which is why the version is pinned and a test kills the server.
_ministack: asgi.App = ministack.app
_state_of_all_services: Callable[[], dict[str, Any]] = ministack._build_persistence_save_dict

# Two pictures at a time: dlib keeps a core busy, and a developer has other work for the rest.
DETECTOR_THREADS = 2
# Long polls are cut after this at a stop; what still hangs then is ended hard by the watchdog.
GRACE_SECONDS = 2
WATCHDOG_SECONDS = 8

MAX_KEY_BYTES = 1024  # of UTF-8; ministack takes longer ones, S3 does not
KEY_TOO_LONG = asgi.Answer(
    400,
    b"<?xml version='1.0' encoding='UTF-8'?>"
    b"<Error><Code>KeyTooLongError</Code><Message>Your key is too long</Message></Error>",
    (("content-type", "application/xml"),),
)

# These wipe or reconfigure everything on one unsigned request, which any web page could send.
REFUSED_PATHS = {"/_ministack/reset", "/_ministack/config"}


class LocalCloud:
    """The ASGI application. `log` gets a line for every request but those for STATUS_PATH."""

    def __init__(self, *, data_dir: Path, port: int, log: TextIO) -> None:
        self._status = {"service": "localcloud", "data_dir": str(data_dir), "pid": os.getpid()}
        self._log = log
        self._s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", config=Config(signature_version="s3v4"))
        self._rekognition = Rekognition(
            access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
            read_object=self._read_object,
            executor=ThreadPoolExecutor(DETECTOR_THREADS),
        )

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] != "http":
            await _ministack(scope, receive, send)
        elif scope["path"] == STATUS_PATH:
            await asgi.send_answer(send, asgi.json_answer(200, self._status))
        else:
            await self._logged(scope, receive, send)

    async def _logged(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        status = 0

        async def logging_send(message: asgi.Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # Before the client can see the answer, so that a test finds the line when its call returns.
                status = message["status"]
                self._write(scope, status)
            await send(message)

        try:
            await self._handle(scope, receive, logging_send)
        finally:
            if not status:
                self._write(scope, status)

    async def _handle(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        target = asgi.header(scope, "x-amz-target")
        if scope["path"] in REFUSED_PATHS:
            await asgi.send_answer(send, asgi.json_answer(403, {"message": "Not available here"}))
        elif target.startswith(TARGET_PREFIX):
            authorization = asgi.header(scope, "authorization")
            body = await asgi.read_body(receive)
            answer = await self._rekognition.answer(target=target, authorization=authorization, body=body)
            await asgi.send_answer(send, answer)
        elif _is_key_too_long(scope):
            await asgi.read_body(receive)
            await asgi.send_answer(send, KEY_TOO_LONG)
        else:
            await _ministack(scope, receive, send)

    async def _read_object(self, bucket: str, key: str, version: str | None) -> bytes | None:
        """An object by a request that never leaves the process, so it is not in the access log."""
        place = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        url = self._s3.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
        answer = await asgi.get(_ministack, url)
        return answer.body if answer.status == 200 else None

    def _write(self, scope: asgi.Scope, status: int) -> None:
        entry = access_log.Entry(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            target=asgi.header(scope, "x-amz-target"),
            copy_source=asgi.header(scope, "x-amz-copy-source"),
            status=status,
            time=datetime.now(UTC),
        )
        self._log.write(entry.as_json() + "\n")


def _is_key_too_long(scope: asgi.Scope) -> bool:
    key = unquote_to_bytes(scope["raw_path"]).lstrip(b"/").partition(b"/")[2]
    return len(key) > MAX_KEY_BYTES


async def main() -> None:
    """Serve until told to stop."""
    data_dir, port = Path(os.environ["LOCALCLOUD_DATA_DIR"]), int(os.environ["GATEWAY_PORT"])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=_watch_parent, args=(loop, stop), daemon=True).start()
    with access_log.open_for_writing(data_dir / "access.log") as log:
        checkpoints = asyncio.create_task(_checkpoints(float(os.environ["LOCALCLOUD_CHECKPOINT_SECONDS"])))
        application: Any = LocalCloud(data_dir=data_dir, port=port, log=log)
        await serve(application, _server_config(), shutdown_trigger=stop.wait)
        checkpoints.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await checkpoints
    _signal_group(signal.SIGTERM)  # to us it says once more what we are doing


def _server_config() -> ServerConfig:
    config = ServerConfig()
    config.bind = [os.environ["LOCALCLOUD_BIND"]]
    config.graceful_timeout = GRACE_SECONDS
    config.loglevel = "WARNING"
    return config


async def _checkpoints(seconds: float) -> None:
    """Save what ministack itself saves only at a clean stop: bucket configuration, queues and so on."""
    while True:
        await asyncio.sleep(seconds)
        save_all(_state_of_all_services())


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when the parent closes the pipe or dies, which closes it too; hard when stopping hangs."""
    while os.read(0, 1024):
        pass
    loop.call_soon_threadsafe(stop.set)
    time.sleep(WATCHDOG_SECONDS)
    _signal_group(signal.SIGKILL)
    os._exit(1)


def _signal_group(number: signal.Signals) -> None:
    """Signal the Lambda functions that still run, and ourselves: all are in the group that `process` made."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, number)


if __name__ == "__main__":
    asyncio.run(main())
