"""An HTTP server that answers as a script says, faults included, and remembers what it was sent."""

import json
import os
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_SECONDS = 20  # of hanging: a test that waits for it has failed


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it arrived. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def price_class(self) -> str:
        """What AWS bills, by its price list alone: this must not lean on what it checks."""
        if "x-amz-target" in self.headers:
            return "rekognition_image"
        lists = self.path.partition("?")[0] == "/"
        return {"PUT": "s3_tier1", "POST": "s3_tier1", "DELETE": "free"}.get(
            self.method, "s3_tier1" if lists else "s3_tier2"
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`piece` bytes of the body at a time, with `pause` seconds after each; 0: all at once."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    piece: int = 0
    pause: float = 0
    missing: int = 0  # bytes that are announced and never come
    fault: str = ""  # "hang": no answer; "reset": the connection breaks


OK = Answer(headers={"ETag": '"0123456789abcdef"'})
HANG = Answer(fault="hang")
RESET = Answer(fault="reset")


def s3_error(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>by script</Message></Error>"
    return Answer(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


def rekognition_error(status: int, code: str, message: str = "by script") -> Answer:
    return Answer(status=status, body=json.dumps({"__type": code, "Message": message}).encode())


SCRIPT_IS_OVER = s3_error(418, "ScriptIsOver")


class FaultServer(ThreadingHTTPServer):
    """Set `script` to what comes next; `log` is what came."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.script: deque[Answer] = deque()
        self.log: list[Request] = []
        self.on_arrival: Callable[[], None] = lambda: None
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()

    @property
    def billed(self) -> dict[str, int]:
        """Requests that arrived, per price class."""
        return Counter(request.price_class for request in self.log)

    def close_connections(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving() -> Iterator[FaultServer]:
    with FaultServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            server.close_connections()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the headers to be acknowledged
    server: FaultServer

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.log.append(Request(method=self.command, path=self.path, headers=headers, body=body))
        self.server.on_arrival()
        answer = self.server.script.popleft() if self.server.script else SCRIPT_IS_OVER
        if answer.fault:
            self._fail(answer.fault)
        else:
            self._send(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def _fail(self, fault: str) -> None:
        self.close_connection = True
        if fault == "hang":
            self.server.stopping.wait(LONGEST_SECONDS)
            return
        # Without lingering, closing sends RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in ({"Content-Length": str(len(answer.body) + answer.missing)} | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if answer.missing:
            self.close_connection = True
        if self.command != "HEAD":
            self._send_body(answer)

    def _send_body(self, answer: Answer) -> None:
        size = answer.piece or len(answer.body) or 1
        for start in range(0, len(answer.body), size):
            self.wfile.write(answer.body[start : start + size])
            if self.server.stopping.wait(answer.pause):
                self.close_connection = True
                return
