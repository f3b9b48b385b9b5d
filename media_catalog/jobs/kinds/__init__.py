"""The kinds of job: what each does with one item."""

from collections.abc import Mapping
from types import MappingProxyType

from . import buckets, deletion, images, inventory, transfers
from .base import Kind, Outcome

__all__ = ["KINDS", "Kind", "Outcome"]

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.slug: kind for module in (images, buckets, inventory, transfers, deletion) for kind in module.KINDS}
)
