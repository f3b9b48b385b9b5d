"""One attempt at an item: what it ran into, and whether another attempt may help."""

import logging
import random

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from media_catalog.exceptions import (
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    BackofficeError,
    ImageHeld,
    MeterUnavailable,
    OutOfMemory,
    OutOfTime,
    QuotaRefused,
)
from media_catalog.models import Image, Job, JobItem
from media_catalog.quota import reservations
from media_catalog.services.sentences import sentence

from .kinds import KINDS, Outcome

logger = logging.getLogger(__name__)
# May be over at the next try; all other faults are final.
PASSING = (AwsThrottled, AwsUnavailable, MeterUnavailable, OutOfMemory, OutOfTime)
GROWTH = 5  # each wait is so many times the one before
JITTER = 0.25  # part of a wait by which it is longer or shorter, so that items do not come back all at once


def outcome_of(job: Job, item: JobItem) -> Outcome:
    """Run the item, claimed for this attempt and loaded with its image since, and say how it ended.

    Database errors that may pass are raised.
    """
    kind = KINDS[job.kind]
    image = item.image
    if kind.takes_images and (image is None or (image.trashed_at and not kind.in_trash_too)):
        return _gone(job.kind)
    try:
        return kind.run(image, job)
    except BackofficeError as error:
        return _after(error, job, item)
    except MemoryError:
        return _after(OutOfMemory(), job, item)
    except (InterfaceError, OperationalError):  # nothing that the item can help
        raise
    except Exception:  # one bad item must not take the rest of its chunk along
        logger.exception("item %s of job %s failed", item.pk, job.pk)
        return Outcome(
            state=JobItem.State.FAILED,
            code="internal",
            message=_("An internal error. The log has the details."),
        )


def _after(error: BackofficeError, job: Job, item: JobItem) -> Outcome:
    if isinstance(error, QuotaRefused):
        return _refused(job, error)
    if isinstance(error, PASSING):
        return _again_later(item, error)
    if isinstance(error, ImageHeld):
        return Outcome(state=JobItem.State.SKIPPED, code=error.code, message=sentence(error))
    gone = item.image_id and not Image.objects.filter(pk=item.image_id).exists()
    if gone and isinstance(error, AwsNotFound):
        return _gone(job.kind)
    return _failed(item, error)


def wait_after(attempts: int) -> float:
    """Seconds until the next try, after so many."""
    return float(settings.JOB_RETRY_SECONDS * GROWTH ** (attempts - 1)) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def _again_later(item: JobItem, error: BackofficeError) -> Outcome:
    if item.attempts >= settings.JOB_ITEM_ATTEMPTS:
        return _failed(item, error)
    logger.warning("item %s of job %s, attempt %s: %s", item.pk, item.job_id, item.attempts, error)
    tried = ngettext("Tried %(count)d time so far.", "Tried %(count)d times so far.", item.attempts)
    return Outcome(
        state=JobItem.State.QUEUED,
        code=error.code,
        message=f"{sentence(error)} {tried % {'count': item.attempts}}",
        wait=wait_after(item.attempts),
    )


def _failed(item: JobItem, error: BackofficeError) -> Outcome:
    logger.warning("item %s of job %s failed: %s", item.pk, item.job_id, error)
    return Outcome(state=JobItem.State.FAILED, code=error.code, message=sentence(error))


def _refused(job: Job, error: QuotaRefused) -> Outcome:
    """The item waits: until another worker gives back what it holds, the limit is raised, or the period ends."""
    Job.objects.filter(pk=job.pk).update(parked_until=reservations.reset([error.shortfall]))
    return Outcome(state=JobItem.State.PARKED, code=error.code, message=sentence(error))


def _gone(kind: str) -> Outcome:
    """For a removal that was cut off after its last step, gone means done."""
    if kind == "remove_images":
        return Outcome(state=JobItem.State.DONE, message=_("Removed."))
    return Outcome(state=JobItem.State.SKIPPED, code="gone", message=_("The image was removed meanwhile."))
