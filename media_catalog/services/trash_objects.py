"""Moving several objects that the catalogue does not know to the trash, in turns."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from media_catalog.exceptions import AwsConflict, AwsNotFound, ObjectRefused
from media_catalog.models import Bucket, TrashedObject

from . import trash
from .object_keys import visible
from .sentences import sentence
from .turns import TURN_SECONDS

AT_ONCE = 10  # in the page's own request; more are a job's
OWN_FAULTS = (ObjectRefused, AwsConflict, AwsNotFound)  # of one object; the others of a run may do


@dataclass(frozen=True, kw_only=True)
class Moved:
    """`count` in the trash by all turns of the run; `failed`: (key, why) of this turn; `done`: all had theirs."""

    count: int
    failed: list[tuple[str, str]]
    done: bool


def move_objects(*, bucket: Bucket, keys: Sequence[str], run: str) -> Moved:
    """Move these to the trash, for one turn of the run. Renditions are deleted instead, and count as not made.

    What cannot be moved for a reason of its own does not hold up the others; any other fault is raised.
    """
    until, failed, got_on = time.monotonic() + TURN_SECONDS, [], False
    rows = TrashedObject.objects.filter(run=run)
    settled = set(rows.exclude(state=TrashedObject.State.MOVING).values_list("key", flat=True))
    for number, key in enumerate(waiting := [key for key in keys if key not in settled], start=1):
        try:
            got_on |= trash.move_object(bucket=bucket, key=key, run=run) is not None
        except OWN_FAULTS as error:
            failed.append((visible(key), sentence(error)))
        # What leaves no row has its turn again and again: each turn gets past it.
        if number < len(waiting) and got_on and time.monotonic() > until:
            return Moved(count=rows.count(), failed=failed, done=False)
    return Moved(count=rows.count(), failed=failed, done=True)
