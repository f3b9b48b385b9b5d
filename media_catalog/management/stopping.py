"""SIGTERM for commands without a way of their own to stop."""

import signal
import sys


def exit_on_sigterm() -> None:
    """End on SIGTERM, also as the first process of a container, for which the system's default is to ignore it."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(128 + signal.SIGTERM))
