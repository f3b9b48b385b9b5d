"""Names for processes, so that an item can say who has it and others can tell whether that one still lives.

A name is `host/namespace:pid:start time`: pids are unique in one namespace of one machine, and used again in time.
"""

import os
import socket
from pathlib import Path

PROCESSES = Path("/proc")  # without it (not Linux) nobody has a name, and items are put back by their lease alone


def me() -> str:
    """The name of this process."""
    return name_of(os.getpid())


def name_of(pid: int) -> str:
    """The name of a process of this host; empty when it has ended or the system does not tell."""
    start = _start_time(pid)
    return f"{here()}:{pid}:{start}" if start else ""


def is_alive(name: str) -> bool | None:
    """Whether the process runs; None when it is of another host, so it cannot be known here."""
    host, pid, start = name.rsplit(":", 2)
    if host != here():
        return None
    return _start_time(int(pid)) == start


def runs(pid: int) -> bool:
    """Whether a process of this host runs; True where the system does not tell."""
    return bool(_start_time(pid)) or not PROCESSES.is_dir()


def here() -> str:
    try:
        return f"{socket.gethostname()}/{(PROCESSES / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


def _start_time(pid: int) -> str:
    """In clock ticks since boot; empty for a process that has ended, waiting to be collected or not."""
    try:
        # The name of the program, in brackets, may itself hold spaces and brackets.
        state, *fields = (PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]
