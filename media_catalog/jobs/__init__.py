"""Background jobs. Interfaces call `start` and `retry`, and what control.py has; the rest is the worker's."""

from .enqueue import retry, start

__all__ = ["retry", "start"]
