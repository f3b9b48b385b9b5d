"""Background jobs. Interfaces call `start`; the rest is the worker's."""

from .enqueue import start

__all__ = ["start"]
