"""The image, built and run without a Docker engine. `make image-check`; needs root and Debian's packages."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.stack import ROOT

IMAGE, BASE = "backoffice:check", "docker.io/library/python:3.11-slim-bookworm"
# As the task definitions run it; the limits of open files and processes are what podman needs in a container.
AS_DEPLOYED = [
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp",
    "--memory=1024m",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=512:512",
    "--no-healthcheck",
]


@dataclass(frozen=True)
class Podman:
    """`work` keeps the base and the layers from one run to the next."""

    work: Path

    def build(self) -> None:
        subprocess.run([ROOT / "tests" / "image" / "build.sh", self.work, IMAGE], check=True)

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        store = ["--root", f"{self.work}/store", "--runroot", f"{self.work}/run", "--storage-driver", "overlay"]
        command = ["podman", *store, "--cgroup-manager", "cgroupfs", "--runtime", "runc", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def run(self, environment: dict[str, str], *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A one-off container, to its end."""
        return self(
            "run", "--rm", "--network=host", *AS_DEPLOYED, *_environment(environment), IMAGE, *command, check=check
        )

    def start(self, name: str, environment: dict[str, str], *command: str, network: str = "host") -> None:
        """A container in the background."""
        options = [f"--name={name}", *AS_DEPLOYED, f"--network={network}", *_environment(environment)]
        self("run", "--detach", *options, IMAGE, *command)

    def stop(self, name: str) -> tuple[int, float]:
        """SIGTERM; its exit status, and the seconds that it took."""
        begun = time.monotonic()
        self("stop", "--time=30", name)
        seconds = time.monotonic() - begun
        status = int(self("inspect", "--format={{.State.ExitCode}}", name).stdout)
        return status, seconds

    def size(self, image: str) -> int:
        """Bytes, unpacked."""
        return int(self("image", "inspect", "--format={{.Size}}", image).stdout)


def _environment(values: dict[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in values.items()]
