"""Starts and stops the server process. Needs no Django: tests use it as the command does.

The child's environment, besides ministack's own variables: LOCALCLOUD_DATA_DIR, LOCALCLOUD_BIND (the
listening socket it inherits), LOCALCLOUD_CHECKPOINT_SECONDS.
"""

import contextlib
import errno
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from localcloud.access_log import AccessLog

HOST = "127.0.0.1"  # nothing else outside a container: the server believes who knows the key, without its secret
STATUS_PATH = "/_localcloud"
START_SECONDS = 30
STOP_SECONDS = 10


class CloudError(Exception):
    """The local cloud cannot run.

    CloudError
    ├── AlreadyRunning    another local cloud holds the port or the data
    ├── PortUnavailable   another program has the port, or it may not be opened
    └── CloudEnded        the server process ended although nobody told it to
    """


class AlreadyRunning(CloudError):
    """`data_dir` is the running one's, `port` where it was met, 0 when only its data was."""

    def __init__(self, *, data_dir: Path, port: int = 0) -> None:
        super().__init__(f"a local cloud with its data in {data_dir} runs already")
        self.data_dir = data_dir
        self.port = port


class PortUnavailable(CloudError):
    """`in_use` tells a busy port from one that may not be opened, `reason` is the system's word for it."""

    def __init__(self, *, port: int, error: OSError) -> None:
        super().__init__(f"port {port}: {error.strerror}")
        self.port = port
        self.in_use = error.errno == errno.EADDRINUSE
        self.reason = error.strerror or str(error)


class CloudEnded(CloudError):
    """`status` is the exit status, negative for the signal that killed it."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the local cloud ended with status {status}")
        self.status = status


@dataclass(frozen=True)
class Account:
    """The one account of the local cloud: its root key."""

    access_key_id: str = "local"
    secret_access_key: str = field(default="local-secret", repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True)
class RunningCloud:
    """A server that answers."""

    endpoint_url: str
    data_dir: Path
    account: Account
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3 talk to it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.account.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.account.secret_access_key,
            "AWS_DEFAULT_REGION": self.account.region,
        }

    @property
    def access_log(self) -> AccessLog:
        return AccessLog(self.data_dir / "access.log")

    def wait(self) -> None:
        """Return never while the server runs; raises CloudEnded when it ends by itself."""
        raise CloudEnded(self.process.wait())


@contextlib.contextmanager
def running(
    data_dir: Path, *, host: str = HOST, port: int = 0, account: Account = Account(), checkpoint_seconds: float = 3
) -> Iterator[RunningCloud]:
    """A local cloud with its data under `data_dir`; port 0 takes a free one. `host` is for a container of its own.

    It is stopped on leaving, and stops by itself when this process dies in whatever way. Killed itself, it
    loses at most `checkpoint_seconds` of bucket configuration and queues, and no object.
    Raises AlreadyRunning, PortUnavailable, CloudEnded.
    """
    data_dir = data_dir.resolve()
    (data_dir / "tmp").mkdir(parents=True, exist_ok=True)
    with _listening(host, port) as listener, _locked(data_dir) as lock:
        endpoint_url = f"http://{HOST}:{listener.getsockname()[1]}"
        environment = _environment(data_dir, listener, account, checkpoint_seconds)
        process = _start(environment, inherited=(listener.fileno(), lock.fileno()))
    # From here on only the child holds port and lock, so they are free the moment it is gone.
    try:
        _wait_until_it_answers(process, endpoint_url)
        yield RunningCloud(endpoint_url, data_dir, account, process)
    finally:
        _stop(process)


def _environment(
    data_dir: Path, listener: socket.socket, account: Account, checkpoint_seconds: float
) -> dict[str, str]:
    """Ours without what could lead boto3 elsewhere, and the child's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    port = listener.getsockname()[1]
    return inherited | {
        "AUTH": "true",  # signatures, policies and CORS are enforced
        "AWS_ACCESS_KEY_ID": account.access_key_id,
        "AWS_SECRET_ACCESS_KEY": account.secret_access_key,
        "AWS_DEFAULT_REGION": account.region,
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOCALCLOUD_BIND": f"fd://{listener.fileno()}",
        "LOCALCLOUD_CHECKPOINT_SECONDS": str(checkpoint_seconds),
        "LOCALCLOUD_DATA_DIR": str(data_dir),
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": account.region,
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(data_dir / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(data_dir / "state"),
        "TMPDIR": str(data_dir / "tmp"),
    }


def _listening(host: str, port: int) -> socket.socket:
    """The socket that the child will serve: opened here, so that a busy port is known before anything starts."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        _raise_if_ours(port)
        raise PortUnavailable(port=port, error=error) from error
    return listener


def _raise_if_ours(port: int) -> None:
    """AlreadyRunning when a local cloud answers on that port."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        data_dir = Path(_status(port, timeout=1)["data_dir"])
        raise AlreadyRunning(data_dir=data_dir, port=port)


def _status(port: int, *, timeout: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", STATUS_PATH)
        answer: dict[str, Any] = json.load(connection.getresponse())
        return answer


def _locked(data_dir: Path) -> IO[str]:
    """A lock on the data that the child inherits: two servers would overwrite each other's state."""
    file = (data_dir / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise AlreadyRunning(data_dir=data_dir) from error
    return file


def _start(environment: dict[str, str], *, inherited: tuple[int, int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "localcloud.server"],
        cwd=Path(__file__).parent.parent,
        env=environment,
        pass_fds=inherited,
        stdin=subprocess.PIPE,  # open as long as we live: see server._watch_parent
        start_new_session=True,  # Ctrl-C is for us, who then stop the child in order
    )


def _wait_until_it_answers(process: subprocess.Popen[bytes], endpoint_url: str) -> None:
    """One request is enough: the socket listens already, so it waits until the server takes it."""
    port = int(endpoint_url.rpartition(":")[2])
    try:
        _status(port, timeout=START_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        raise CloudEnded(process.returncode) from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child in order, and by force what is left of it and of the functions it ran."""
    if process.stdin:
        process.stdin.close()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
