"""The live product for tests: local cloud, worker and web as processes of their own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from localcloud.process import RunningCloud, running
from tests import databases

ROOT = Path(__file__).resolve().parent.parent
USERNAME, PASSWORD = "editor", "a-long-test-password"
START_SECONDS = 30
PREPARE = f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("sync_schedules", verbosity=0)
call_command("createsuperuser", interactive=False, username={USERNAME!r}, email="", verbosity=0)
call_command("create_buckets", verbosity=0, origin=["http://127.0.0.1:*"])
"""


class Stack:
    """Starts and stops the processes. Their data is in `data_dir`: cache, logs and, unless DATABASE_URL says otherwise,
    the database.
    """

    def __init__(self, cloud: RunningCloud, data_dir: Path, **environment: str) -> None:
        self.cloud = cloud
        self.data_dir = data_dir
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_"))},
            **cloud.environment,
            "AWS_CONFIG_FILE": "/nonexistent/aws-config",
            "DJANGO_SETTINGS_MODULE": "backoffice.settings.development",
            "DATA_DIR": str(data_dir),
            "DATABASE_URL": f"sqlite:///{data_dir / 'db.sqlite3'}",
            "DEBUG": "false",
            "PAGE_SECONDS": "60",  # this machine is busier than one that people wait for
            "PYTHONUNBUFFERED": "1",
            **environment,
        }

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command to its end and return what it printed."""
        done = self._run(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def outcome(self, *arguments: str) -> tuple[int, str]:
        """The exit status of a management command, and all that it said."""
        done = self._run(*arguments)
        return done.returncode, (done.stdout + done.stderr).strip()

    def _run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def python(self, code: str, **environment: str) -> str:
        """Run code in the product and return what it printed."""
        return self.manage("shell", "-v0", "-c", code, **environment)

    def prepare(self) -> None:
        """Database, schedules, superuser and the three buckets."""
        self.python(PREPARE, DJANGO_SUPERUSER_PASSWORD=PASSWORD)

    @contextlib.contextmanager
    def copy(self, data_dir: Path) -> Iterator["Stack"]:
        """Another one on the same cloud, with a copy of the database. While this one's processes do not run."""
        with databases.copy(self.environment["DATABASE_URL"], data_dir) as url:
            other = Stack(self.cloud, data_dir, DATABASE_URL=url)
            try:
                yield other
            finally:
                other.stop()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.data_dir / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_web(self) -> str:
        """A web process; returns its URL once it answers."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        self.web = self.start("runserver", f"127.0.0.1:{port}", "--noreload", "--insecure")
        wait_for(lambda: _answers(f"{url}/admin/login/"), START_SECONDS)
        return url

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        return self.start("worker", **environment)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the product's database; a placeholder is `?`."""
        return databases.query(self.environment["DATABASE_URL"], sql, *parameters)

    def log(self, name: str) -> str:
        return (self.data_dir / f"{name}.log").read_text()

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def running_stack(data_dir: Path, **environment: str) -> Iterator[Stack]:
    """A prepared stack on a cloud of its own, without web and worker, which the test starts."""
    with running(data_dir / "cloud") as cloud:
        stack = Stack(cloud, data_dir, **environment)
        try:
            stack.prepare()
            yield stack
        finally:
            stack.stop()


def process_tree(pid: int) -> list[int]:
    """The process and all that it started, in whatever session."""
    pids = [pid]
    for parent in pids:
        pids += _children(parent)
    return pids


def _children(pid: int) -> list[int]:
    command = ["ps", "-o", "pid=", "--ppid", str(pid)]
    children = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(child) for child in children.stdout.split()]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the process and all that it started; each is stopped first, lest it start another unseen."""
    pids = [process.pid]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        pids += _children(pid)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def wait_for(condition: Callable[[], Any], seconds: float) -> Any:
    """What the condition returns once it is true; AssertionError when it stays false."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {condition}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
