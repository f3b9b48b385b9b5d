"""The inventory of a bucket: what it holds, kept in the database by a job that lists it.

Only a scan that has come to its end says what is missing. One that failed, was cancelled or killed says nothing.
"""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, unquote

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from media_catalog.aws import listing
from media_catalog.aws.listing import Version, VersionPage
from media_catalog.exceptions import AwsNotFound
from media_catalog.models import Bucket, InventoryObject, Job, RequestClass, Scan

from .bucket_health import mark_missing
from .turns import TURN_SECONDS, Turn, deletions, deletions_of, pages

YOUNG = timedelta(days=1)  # of a scan that was left and that another may still go on with
KEEP_MISSING = timedelta(days=90)  # rows of objects that are gone
_PLACE = ("pages", "after", "entries", "objects_seen", "bytes", "unstorable", "deletions", "lone_deletions")
_SEEN = ("etag", "size", "modified", "storage_class", "scan", "missing_since")


class Replaced(Exception):
    """Another scan of the bucket has begun meanwhile: this one writes nothing any more."""


def cost(bucket: Bucket) -> dict[str, int]:
    """Requests of an inventory: as many LIST as its entries took the last time, without those of one that is taken
    over; at least one.
    """
    left = _left(bucket)
    lists = pages(bucket.entry_count or 0, listing.MAX_KEYS) - (left.pages if left else 0)
    return {RequestClass.S3_TIER1.value: max(1, lists)}


def cost_of_deleting(bucket: Bucket) -> Counter[str]:
    """Requests to list and delete all its entries, page by page, as the last inventory has counted them.

    The last list finds nothing.
    """
    scan = latest(bucket)
    entries = scan.entries if scan else 0
    lists = Counter({RequestClass.S3_TIER1.value: -(-entries // listing.MAX_KEYS) + 1})
    if scan and (scan.deletions or scan.lone_deletions):
        counted = {RequestClass.S3_TIER1.value: scan.deletions, RequestClass.FREE.value: scan.lone_deletions}
        return lists + Counter(counted)
    return lists + deletions([entries])  # of a scan from before these were counted


def due(now: datetime) -> list[Bucket]:
    """Buckets that want an inventory by the clock and had none for so long. One that failed is tried again after a
    quarter of that time.
    """
    wanted = Bucket.objects.filter(missing_since=None).exclude(inventory_every=Bucket.InventoryEvery.OFF)
    begun = dict(Scan.objects.order_by().values_list("bucket").annotate(Max("started_at")))
    return [bucket for bucket in wanted if _is_due(bucket, begun.get(bucket.pk), now)]


def _is_due(bucket: Bucket, begun: datetime | None, now: datetime) -> bool:
    every = timedelta(hours=bucket.inventory_every)
    had = bucket.counted_at is not None and bucket.counted_at > now - every
    return not had and (begun is None or begun <= now - every / 4)


def latest(bucket: Bucket) -> Scan | None:
    """The last scan that came to its end."""
    return Scan.objects.filter(bucket=bucket, state=Scan.State.COMPLETE).order_by("-pk").first()


def sync(bucket: Bucket, *, run: str) -> Turn:
    """Bring the inventory and the totals of the bucket in line with S3, for one turn. One LIST for each 1,000 entries.

    Entries are objects, their older versions and delete markers. `run` names the scan that goes on. Another one that is
    young and whose job is over is taken over; of any other nothing is, and that one raises Replaced from then on. A
    fault of S3 leaves all as it is.
    """
    scan = _scan(bucket, run)
    until = time.monotonic() + TURN_SECONDS
    while scan.state == Scan.State.RUNNING:
        _store(scan, _listed(scan))
        if time.monotonic() > until:
            break
    if scan.state == Scan.State.REPLACED:
        raise Replaced
    return Turn(count=scan.entries, done=scan.state == Scan.State.COMPLETE)


def forget(bucket: Bucket | int, keys: Collection[str]) -> None:
    """Write down that objects are gone, before the next scan sees it. One query."""
    if keys:
        held = InventoryObject.objects.filter(bucket=bucket, key__in=keys, missing_since=None)
        held.update(missing_since=timezone.now())


def _scan(bucket: Bucket, run: str) -> Scan:
    with transaction.atomic():
        Bucket.objects.select_for_update().get(pk=bucket.pk)  # of two that begin, the later wins
        scan = Scan.objects.filter(run=run).first()
        if scan is None and (scan := _left(bucket)):
            scan.run = run
            scan.save(update_fields=["run"])
        if scan is None:
            Scan.objects.filter(bucket=bucket, state=Scan.State.RUNNING).update(state=Scan.State.REPLACED)
            scan = Scan.objects.create(bucket=bucket, run=run)
    return scan


def _left(bucket: Bucket) -> Scan | None:
    """A scan that stopped on the way, with a job that does not go on: what it has listed need not be listed again."""
    young = Scan.objects.filter(
        bucket=bucket, state=Scan.State.RUNNING, pages__gt=0, started_at__gt=timezone.now() - YOUNG
    )
    scan = young.first()
    over = scan and Job.objects.filter(options__run=scan.run, state__in=Job.OVER).exists()
    return scan if over else None


def _listed(scan: Scan) -> VersionPage:
    # Percent-encoded in the row: a key may hold NUL, which PostgreSQL takes in no text.
    after = {name: unquote(value) for name, value in scan.after.items()}
    try:
        return listing.list_versions(scan.bucket.name, after=after)
    except AwsNotFound:
        mark_missing(scan.bucket)
        raise


def _store(scan: Scan, page: VersionPage) -> None:
    """The objects of a page and the place after it in one transaction; with the last page, the end of the scan."""
    held = {version.key: version for version in page.versions if version.latest and not version.marker}
    storable = [version for version in held.values() if "\x00" not in version.key]
    mine = Scan.objects.filter(pk=scan.pk, state=Scan.State.RUNNING, pages=scan.pages)
    scan.pages += 1
    scan.after = {name: quote(value, safe="") for name, value in page.after.items()}
    scan.entries += len(page.versions)
    scan.objects_seen += len(held)
    scan.bytes += sum(version.size for version in page.versions)
    scan.unstorable += len(held) - len(storable)
    requests = deletions_of(version.key for version in page.versions)
    scan.deletions += requests[RequestClass.S3_TIER1.value]
    scan.lone_deletions += requests[RequestClass.FREE.value]
    with transaction.atomic():
        if not mine.update(**{name: getattr(scan, name) for name in _PLACE}):
            raise Replaced
        _upsert(scan, storable)
        if not page.after:
            _complete(scan)


def _upsert(scan: Scan, versions: Sequence[Version]) -> None:
    rows = [
        InventoryObject(
            bucket_id=scan.bucket_id,
            key=version.key,
            etag=version.etag,
            size=version.size,
            modified=version.modified,
            storage_class=version.storage_class,
            scan=scan,
        )
        for version in versions
    ]
    InventoryObject.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["bucket", "key"], update_fields=_SEEN
    )


def _complete(scan: Scan) -> None:
    """What this scan has not seen is missing. The totals become the bucket's."""
    now = timezone.now()
    rows = InventoryObject.objects.filter(bucket=scan.bucket_id)
    lost = rows.filter(~Q(scan=scan.pk), missing_since=None).update(missing_since=now)
    rows.filter(missing_since__lt=now - KEEP_MISSING).delete()
    added = rows.filter(first_seen_at__gte=scan.started_at).count()
    scan.state, scan.finished_at, scan.added, scan.lost = Scan.State.COMPLETE, now, added, lost
    scan.save(update_fields=["state", "finished_at", "added", "lost"])
    Bucket.objects.filter(pk=scan.bucket_id).update(
        object_count=scan.objects_seen, entry_count=scan.entries, byte_count=scan.bytes, counted_at=now
    )
