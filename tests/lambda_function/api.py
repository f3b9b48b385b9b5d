"""A stand-in for the product's API: hears the callbacks, checks their signatures in its own way, answers by script."""

import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SECRET = "a-secret-of-the-tests"
PATH = "/async_image/presignedurl/"


@dataclass(frozen=True, kw_only=True)
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def genuine(self) -> bool:
        """Whether the signature is right: made here from the contract's words, not by the function's code."""
        timestamp = self.headers["X-Backoffice-Timestamp"]
        message = b".".join([timestamp.encode(), f"{self.method}{self.path}".encode(), self.body])
        expected = hmac.digest(SECRET.encode(), message, "sha256")
        given = base64.b16decode(self.headers["X-Backoffice-Signature"].upper())
        return hmac.compare_digest(expected, given) and abs(time.time() - int(timestamp)) < 300


@dataclass
class Api:
    """`script` has the statuses of the next answers (0: none within a second), then all are 200."""

    port: int = 0
    script: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"


@contextmanager
def serving() -> Iterator[Api]:
    api = Api()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            api.heard.append(Heard(method=self.command, path=self.path, headers=dict(self.headers.items()), body=body))
            status = api.script.pop(0) if api.script else 200
            if not status:
                time.sleep(1.2)
                return
            self.send_response(status)
            for name, value in api.headers.items():
                self.send_header(name, value)
            self.end_headers()
            api.arrived.set()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield api
        server.shutdown()
        thread.join()
