"""`manage.py localcloud` as a developer and a process runner use it: as a process, by signals and exit status."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from localcloud.process import RunningCloud
from tests.cloud import ACCOUNT
from tests.localcloud.conftest import MakeClient

ROOT = Path(__file__).parent.parent.parent

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command with its data in tmp_path; whatever is left of it afterwards is killed."""
    with contextlib.ExitStack() as stack:

        def popen(endpoint_url: str, *arguments: str) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "manage.py", "localcloud", "--data-dir", str(tmp_path), *arguments],
                cwd=ROOT,
                env=os.environ | {"AWS_ENDPOINT_URL": endpoint_url, "PYTHONUNBUFFERED": ""},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield popen


@pytest.fixture
def url() -> str:
    """The URL of a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_runs_until_told_to_stop_and_leaves_no_process_behind(
    start: Start, url: str, tmp_path: Path, client: MakeClient, number: signal.Signals
) -> None:
    process = start(url)
    assert _line(process) == f"Local cloud ready at {url}, its data in {tmp_path}."
    [server] = _servers(tmp_path)
    client("s3", RunningCloud(url, tmp_path, ACCOUNT, process)).create_bucket(Bucket="ours")
    process.send_signal(number)
    output, errors = process.communicate(timeout=8)  # after 10 s it would be killed
    assert (process.returncode, output, errors) == (0, "Local cloud stopped.\n", "")
    assert not _alive(server)


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [((), False), (("--host", "0.0.0.0"), True)],  # noqa: S104
    ids=["by default", "in a container"],
)
def test_is_reached_from_elsewhere_only_when_told_so(
    start: Start, url: str, arguments: tuple[str, ...], reached: bool
) -> None:
    process = start(url, *arguments)
    _line(process)
    elsewhere = socket.socket()
    elsewhere.settimeout(5)
    port = int(url.rpartition(":")[2])
    assert (elsewhere.connect_ex(("127.0.0.2", port)) == 0) is reached  # another address of this machine
    elsewhere.close()


def test_everything_goes_when_the_command_is_killed_and_the_next_one_finds_its_data(
    start: Start, url: str, tmp_path: Path, client: MakeClient
) -> None:
    process = start(url)
    _line(process)
    cloud = RunningCloud(url, tmp_path, ACCOUNT, process)
    client("s3", cloud).create_bucket(Bucket="kept")
    client("s3", cloud).put_object(Bucket="kept", Key="a.txt", Body=b"bytes")
    _run_function_that_sleeps(client, cloud)
    left = _servers(tmp_path)
    assert len(left) == 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(map(_alive, left)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, left))

    again = start(url)  # the same port, the same data
    assert _line(again) == f"Local cloud ready at {url}, its data in {tmp_path}."
    again_cloud = RunningCloud(url, tmp_path, ACCOUNT, again)
    assert client("s3", again_cloud).get_object(Bucket="kept", Key="a.txt")["Body"].read() == b"bytes"


def test_a_dead_server_ends_the_command(start: Start, url: str, tmp_path: Path) -> None:
    process = start(url)
    _line(process)
    [server] = _servers(tmp_path)
    os.kill(server, signal.SIGKILL)
    _, errors = process.communicate(timeout=15)
    assert process.returncode == 1
    assert errors == "CommandError: The local cloud ended unexpectedly: exit status -9.\n"


def test_a_busy_port_is_told_in_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start("http://127.0.0.1:4566", "--port", str(port))
        _, errors = process.communicate(timeout=15)
    assert process.returncode == 1
    assert errors.startswith(f"CommandError: Port {port} is in use by another program:")
    assert errors.count("\n") == 1


def test_a_second_local_cloud_is_told_where_the_first_one_is(start: Start, local_cloud: RunningCloud) -> None:
    process = start(local_cloud.endpoint_url)
    _, errors = process.communicate(timeout=15)
    port = local_cloud.endpoint_url.rpartition(":")[2]
    sentence = f"A local cloud already runs on port {port}, its data in {local_cloud.data_dir}."
    assert (process.returncode, errors) == (1, f"CommandError: {sentence}\n")


def test_waits_idly_when_the_product_talks_to_aws(start: Start, tmp_path: Path) -> None:
    process = start("")
    assert _line(process) == "AWS_ENDPOINT_URL is not set: talking to AWS, the local cloud is not needed."
    assert not _servers(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    assert process.returncode == 0


@pytest.fixture
def _own_signals() -> Iterator[None]:
    """Called within pytest, the command leaves its SIGTERM handler behind."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_own_signals")
@pytest.mark.parametrize(
    "elsewhere", ["https://s3.amazonaws.com", "http://192.168.1.7:4566", "http://127.0.0.1", "https://127.0.0.1:4566"]
)
def test_an_endpoint_that_is_not_here(monkeypatch: pytest.MonkeyPatch, elsewhere: str) -> None:
    monkeypatch.setattr(settings, "AWS_ENDPOINT_URL", elsewhere)
    with pytest.raises(CommandError, match="serves this computer only"):
        call_command("localcloud")


@pytest.mark.usefixtures("_own_signals")
def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(CommandError, match="AWS_SECRET_ACCESS_KEY"):
        call_command("localcloud")


def _run_function_that_sleeps(client: MakeClient, cloud: RunningCloud) -> None:
    """Have the server run a Lambda function, which is a process of its own, for longer than any test."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam", cloud).create_role(RoleName="sleeper", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("sleeper.py", "import time\n\ndef handle(seconds, context):\n    time.sleep(seconds)\n")
    functions = client("lambda", cloud)
    functions.create_function(
        FunctionName="sleeper",
        Runtime="python3.11",
        Role=role,
        Handler="sleeper.handle",
        Code={"ZipFile": code.getvalue()},
        Timeout=60,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="sleeper", WaiterConfig={"Delay": 1})
    functions.invoke(FunctionName="sleeper", Payload=b"0")
    functions.invoke(FunctionName="sleeper", Payload=b"50", InvocationType="Event")


def _line(process: "subprocess.Popen[str]") -> str:
    """The next line that the command says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _servers(data_dir: Path) -> list[int]:
    """Processes of the server with its data there."""
    wanted = os.fsencode(f"LOCALCLOUD_DATA_DIR={data_dir}")
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if wanted in _read(path)]


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is only not yet waited for does not."""
    status = _read(Path(f"/proc/{pid}/stat"))
    return bool(status) and status.rpartition(b") ")[2][:1] not in b"ZX"


def _read(path: Path) -> bytes:
    """A file of /proc, empty when its process is gone."""
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
