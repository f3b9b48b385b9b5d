"""What runs by the clock, as tasks of django-q2."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from types import MappingProxyType
from typing import TypeVar

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_q.models import Schedule
from django_q.tasks import async_task

from media_catalog.aws.deadline import deadline
from media_catalog.exceptions import QueueAway, QuotaShort
from media_catalog.models import Bucket, Image, Job, JobItem, ScheduleRun
from media_catalog.quota import alerts, reservations
from media_catalog.quota.attribution import attribute
from media_catalog.services import (
    direct_uploads,
    history,
    inventory,
    presigned,
    removal,
    trash_purge,
    trash_sweep,
    uploads,
)

from . import restored, sweeps
from .control import under_way
from .enqueue import go_on, start

logger = logging.getLogger(__name__)
HOUSEKEEPING = "housekeeping"  # a kind of work, not of job: like jobs it leaves the headroom of limits alone
DELETE_BATCH = 2000
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A schedule as it should be: `func` runs each so many `minutes`."""

    slug: str
    label: str | Promise
    func: str
    minutes: int = 1


def _plan(slug: str, label: str | Promise, func: str, *, minutes: int = 1) -> Plan:
    return Plan(slug=slug, label=label, func=f"{__name__}.{func}", minutes=minutes)


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        plan.slug: plan
        for plan in (
            _plan("heartbeat", gettext_lazy("Heartbeat: tasks reach the workers"), "beat"),
            _plan("quota", gettext_lazy("Renew, settle and end reservations"), "keep_quota"),
            _plan("parked", gettext_lazy("Start parked items that fit now"), "start_parked"),
            _plan("settle uploads", gettext_lazy("Finish or undo interrupted uploads"), "settle_uploads"),
            _plan("delete leftovers", gettext_lazy("Delete objects that nobody needs"), "delete_leftovers"),
            _plan("settle trash", gettext_lazy("End moves to and from the trash that were cut off"), "settle_trash"),
            _plan("purge trash", gettext_lazy("Purge what is over its date in the trash"), "purge_trash", minutes=10),
            _plan("inventories", gettext_lazy("Take the inventories that are due"), "take_inventories", minutes=15),
            _plan("retention", gettext_lazy("Remove what retention rules let go"), "sweep_retention"),
            _plan("old items", gettext_lazy("Delete the items of old jobs"), "delete_old_items", minutes=60),
            _plan("old findings", gettext_lazy("Delete findings and scans of long ago"), "forget_history", minutes=60),
        )
    }
)


def install() -> None:
    """Create the schedules that are missing, mend those that differ and remove those that are no more. Idempotent."""
    funcs = {plan.func for plan in PLANS.values()}
    Schedule.objects.filter(func__startswith=f"{__name__}.").exclude(func__in=funcs).delete()
    ScheduleRun.objects.exclude(slug__in=PLANS).delete()
    for plan in PLANS.values():
        Schedule.objects.update_or_create(
            name=plan.slug,
            defaults={
                "func": plan.func,
                "schedule_type": Schedule.MINUTES,
                "minutes": plan.minutes,
                "repeats": -1,
            },
        )


def run_now(slug: str) -> None:
    """Have a schedule run at once, besides its time. Raises QueueAway."""
    try:
        async_task(PLANS[slug].func)
    except Exception as error:  # of whatever broker
        raise QueueAway(slug) from error


def next_runs() -> dict[str, datetime]:
    """When each schedule runs next, by slug; those that are not installed are left out."""
    installed = Schedule.objects.filter(name__in=PLANS).values_list("name", "next_run")
    return {name: moment for name, moment in installed if name and moment}


def recorded(slug: str, words: Callable[[R], str]) -> Callable[[Callable[[], R]], Callable[[], R]]:
    """Keep when a schedule ran and what came out, in words, or that it failed."""

    def decorate(run: Callable[[], R]) -> Callable[[], R]:
        @wraps(run)
        def recording() -> R:
            ScheduleRun.objects.update_or_create(
                slug=slug, defaults={"started_at": timezone.now(), "finished_at": None, "failed": False, "result": ""}
            )
            mine = ScheduleRun.objects.filter(slug=slug)
            try:
                result = run()
            except Exception:
                mine.update(finished_at=timezone.now(), failed=True, result=_("Failed. The log has the details."))
                raise
            mine.update(finished_at=timezone.now(), result=words(result))
            return result

        return recording

    return decorate


def _parked_words(count: int) -> str:
    return ngettext("%(count)d parked job goes on.", "%(count)d parked jobs go on.", count) % {"count": count}


def _recovered_words(count: int) -> str:
    return ngettext("%(count)d image recovered.", "%(count)d images recovered.", count) % {"count": count}


def _objects_words(count: int) -> str:
    return ngettext("%(count)d object deleted.", "%(count)d objects deleted.", count) % {"count": count}


def _settled_words(count: int) -> str:
    return ngettext("%(count)d object settled.", "%(count)d objects settled.", count) % {"count": count}


def _items_words(count: int) -> str:
    return ngettext("%(count)d item deleted.", "%(count)d items deleted.", count) % {"count": count}


def _history_words(result: tuple[int, int]) -> str:
    return _("Deleted: %(findings)d of the findings, %(scans)d of the scans.") % {
        "findings": result[0],
        "scans": result[1],
    }


def _inventories_words(count: int) -> str:
    return ngettext("%(count)d inventory started.", "%(count)d inventories started.", count) % {"count": count}


def _quota_words(result: tuple[int, int]) -> str:
    return _("%(units)d units written off, %(closed)d reservations ended.") % {"units": result[0], "closed": result[1]}


@recorded("heartbeat", lambda _nothing: _("The queue delivers."))
def beat() -> None:
    """Nothing but its record: that a task came from the clock through the queue to a worker."""


@recorded("quota", _quota_words)
def keep_quota() -> tuple[int, int]:
    """Renew the reservations of jobs that wait or run, write off what dead processes held, close what nobody renews.
    Then alert of limits that are reached.

    Returns (units written off, reservations ended).
    """
    waiting = Job.objects.filter(state__in=Job.ACTIVE, reservation__closed_at=None)
    for reservation in waiting.exclude(reservation=None).values_list("reservation", flat=True):
        reservations.renew(reservation, seconds=settings.QUOTA_RESERVATION_SECONDS)
    swept = reservations.sweep()
    alerts.announce_standing(timezone.now())
    return swept


@recorded("parked", _parked_words)
def start_parked() -> int:
    """Go on with parked jobs as far as it fits now; returns how many go on.

    All are tried, not only those whose time has come: a limit may have been raised, or units given back.
    """
    return sum(bool(_go_on(job)) for job in Job.objects.filter(state=Job.State.PARKED).order_by("pk"))


def _go_on(job: Job) -> int:
    """One bad job must not keep those behind it."""
    try:
        return go_on(job)
    except Exception:
        logger.exception("job %s stays parked", job)
        return 0


@recorded("settle uploads", _recovered_words)
def settle_uploads() -> int:
    """Finish or undo uploads that a dead process left open; returns how many images became known by it.

    They are new to the catalogue, so one job makes their renditions, and those of uploads by the API of which neither
    the Lambda nor a job has told anything.
    """
    with attribute(action="settle uploads", job_kind=HOUSEKEEPING):
        found = [*uploads.settle_stale(), *direct_uploads.expire()]
    ids = set(Image.objects.for_workers().filter(pk__in=found).values_list("pk", flat=True))
    ids.update(presigned.finish_waiting())
    if ids:
        start(kind="make_renditions", user=None, images=ids, scope=_("Recovered uploads"), park=True)
    return len(found)


@recorded("delete leftovers", _objects_words)
def delete_leftovers() -> int:
    """Delete objects that nobody needs and that could not be deleted at once; returns how many are settled."""
    with attribute(action="delete leftovers", job_kind=HOUSEKEEPING), deadline(settings.JOB_CHUNK_SECONDS):
        return removal.sweep()


@recorded("settle trash", _settled_words)
def settle_trash() -> int:
    """End what was begun with the trash and cut off, and start the renditions of what came back; returns how many."""
    with attribute(action="settle trash", job_kind=HOUSEKEEPING), deadline(settings.JOB_CHUNK_SECONDS):
        count = trash_sweep.end_interrupted()
    return count + restored.follow_up_forgotten()


@recorded("purge trash", _objects_words)
def purge_trash() -> int:
    """Delete for good what is over its date in the trash; returns how many objects."""
    with attribute(action="purge trash", job_kind=HOUSEKEEPING), deadline(settings.JOB_CHUNK_SECONDS):
        return trash_purge.purge_overdue()


@recorded("inventories", _inventories_words)
def take_inventories() -> int:
    """Start an inventory of each bucket that wants one by the clock and had none for so long; returns how many.

    What does not fit into the limits is tried again next time: an inventory is always of now, so none begins parked.
    """
    return sum(map(_take_inventory, inventory.due(timezone.now())))


def _take_inventory(bucket: Bucket) -> bool:
    if under_way("sync_inventory", bucket.pk):
        return False
    scope = _("Inventory of “%(bucket)s”, by the clock") % {"bucket": bucket}
    try:
        start(kind="sync_inventory", user=None, scope=scope, options={"bucket": bucket.pk, "run": secrets.token_hex(8)})
    except QuotaShort as short:
        logger.warning("no inventory of %s: %s", bucket, short)
        with attribute(action="inventories", job_kind=HOUSEKEEPING, bucket=bucket.name):
            reservations.note_refusal(short, operation="sync_inventory")
        return False
    return True


def _sweeps_words(count: int) -> str:
    return ngettext("%(count)d sweep started.", "%(count)d sweeps started.", count) % {"count": count}


@recorded("retention", _sweeps_words)
def sweep_retention() -> int:
    """Start a job for each bucket whose retention rule has something to remove; returns how many."""
    return sweeps.start_sweeps()


@recorded("old items", _items_words)
def delete_old_items() -> int:
    """Delete the items of jobs that have been over for JOB_KEEP_DAYS; returns how many. The jobs keep their counts."""
    before = timezone.now() - timedelta(days=settings.JOB_KEEP_DAYS)
    old = JobItem.objects.filter(job__finished_at__lt=before, job__state__in=Job.OVER)
    count = 0
    while batch := list(old.order_by("pk").values_list("pk", flat=True)[:DELETE_BATCH]):
        count += JobItem.objects.filter(pk__in=batch).delete()[0]
    return count


@recorded("old findings", _history_words)
def forget_history() -> tuple[int, int]:
    """Delete findings that have been over for FINDING_KEEP_DAYS, and scans of that age that no row needs.

    Returns (findings, scans).
    """
    return history.forget(timezone.now() - timedelta(days=settings.FINDING_KEEP_DAYS))
