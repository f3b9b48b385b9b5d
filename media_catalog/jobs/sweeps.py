"""One job for each bucket whose retention rule has something to remove."""

import secrets

from media_catalog.models import Bucket, Job
from media_catalog.services import retention

from .control import under_way
from .enqueue import start

KIND = "sweep_retention"


def start_sweeps() -> int:
    """Start those that are due and not under way; returns how many."""
    return sum(start_sweep(bucket) is not None for bucket in retention.waiting())


def start_sweep(bucket: Bucket) -> Job | None:
    """Start the sweep of a bucket if it has something to remove and none is open. The product itself asks for it.

    What a limit does not allow now waits for its reset.
    """
    if not retention.is_due(bucket) or under_way(KIND, bucket.pk):
        return None
    options = {"bucket": bucket.pk, "run": secrets.token_hex(8)}
    return start(kind=KIND, user=None, scope=str(bucket), options=options, park=True)
