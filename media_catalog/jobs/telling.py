"""Telling those who asked for a job that it is over, once."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from media_catalog.models import Job


def take_untold(user: int) -> list[Job]:
    """The jobs of a user (id) that are over, and not known to be by the user, marked as told. One query without any.

    Of several who ask at the same time one gets a job.
    """
    if not _untold(user).exists():
        return []
    with transaction.atomic():
        jobs = list(_untold(user).select_for_update().defer("options").order_by("pk"))
        Job.objects.filter(pk__in=[job.pk for job in jobs]).update(told_at=timezone.now())
    return jobs


def seen(job: Job, *, user: int) -> None:
    """The user (id) looks at the job: if it is theirs and over, there is nothing left to tell. Mostly no query."""
    if job.is_over and job.told_at is None and job.requested_by_id == user:
        _untold(user).filter(pk=job.pk).update(told_at=timezone.now())


def _untold(user: int) -> QuerySet[Job]:
    return Job.objects.filter(requested_by=user, finished_at__isnull=False, told_at=None)
