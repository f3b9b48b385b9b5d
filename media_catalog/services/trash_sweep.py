"""Ends what was begun with the trash and not ended: by processes that died, or while S3 was away."""

import logging

from django.utils import timezone

from media_catalog.exceptions import BackofficeError
from media_catalog.models import TrashedObject
from media_catalog.models.trash import first_try

from . import trash, trash_purge, trash_restore

logger = logging.getLogger(__name__)
SWEEP = 100  # rows of one sweep


def end_interrupted() -> int:
    """End moves, restores and purges that were cut off; returns how many are settled.

    A fault that may pass ends the sweep, for the others would meet it too; any other leaves its row for later.
    """
    now, count = timezone.now(), 0
    waiting = TrashedObject.objects.interrupted(now).select_related("bucket", "image", "file").order_by("next_try_at")
    for row in waiting[:SWEEP]:
        # Set before the try, so that a crash waits too; of two sweeps one takes the row.
        if not TrashedObject.objects.filter(pk=row.pk, next_try_at=row.next_try_at).update(next_try_at=first_try()):
            continue
        try:
            count += _end(row)
        except BackofficeError as error:
            logger.warning("the trash's %s is not settled yet", row.pk, exc_info=True)
            if isinstance(error, trash.PASSING):
                break
    return count


def _end(row: TrashedObject) -> bool:
    """Whether it is settled; not what is under legal hold by now."""
    if row.state == TrashedObject.State.MOVING:
        trash.end_move(row)
    elif row.state == TrashedObject.State.RESTORING:
        trash_restore.restore(pk=row.pk)
    else:
        return trash_purge.purge(TrashedObject.objects.filter(pk=row.pk))[0] > 0
    return True
