"""Lambda's Runtime API in few lines: hands events to a process of the real runtime client and takes its answers."""

import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARN = "arn:aws:lambda:us-east-1:000000000000:function:resizer"


@dataclass
class Runtime:
    """`process` runs the function from its first event on; `begun` is when it was started."""

    process: subprocess.Popen[bytes]
    begun: float
    events: "queue.Queue[Any]" = field(default_factory=queue.Queue)
    answers: "queue.Queue[tuple[str, Any]]" = field(default_factory=queue.Queue)

    def invoke(self, event: Any, seconds: float = 30) -> tuple[str, Any]:
        """("response", what the handler returned) or ("error", what it raised)."""
        self.events.put(event)
        return self.answers.get(timeout=seconds)

    @property
    def peak_megabytes(self) -> float:
        """The most memory that the process has ever held."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    @property
    def delayed_seconds(self) -> float:
        """How long the process has waited so far for a processor that others used, by the kernel's word."""
        _spent, waited, _slices = Path(f"/proc/{self.process.pid}/schedstat").read_text().split()
        return int(waited) / 1e9

    @property
    def mapped(self) -> str:
        return Path(f"/proc/{self.process.pid}/maps").read_text()


def _api(held: list[Runtime]) -> http.server.ThreadingHTTPServer:
    """The API by which a function asks for events and answers, of the runtime that is put into `held`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            event = held[0].events.get()
            body = json.dumps(event).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", f"invocation-{time.monotonic_ns()}")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", ARN)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            held[0].answers.put((self.path.rpartition("/")[2], json.loads(body)))

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]  # it was killed while it waited
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _start(task_root: Path, environment: dict[str, str], port: int, megabytes: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", "resizer.handler.handle"],
        cwd=task_root,
        env={
            **environment,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(task_root),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": "resizer",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(megabytes),
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "LAMBDA_TASK_ROOT": str(task_root),
        },
    )


@contextmanager
def running(task_root: Path, environment: dict[str, str], *, megabytes: int = 256) -> Iterator[Runtime]:
    """The function in `task_root`, by awslambdaric, with nothing of ours on its path but that."""
    held: list[Runtime] = []
    server = _api(held)
    process = _start(task_root, environment, server.server_port, megabytes)
    runtime = Runtime(process, time.monotonic())
    held.append(runtime)
    try:
        yield runtime
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()
