"""Retention rules of buckets: what they would remove, and when they are in force.

Our clock decides what is due, by the time at which the catalogue came to know an object; that of S3 plays no part.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from media_catalog.aws.objects import goes_alone
from media_catalog.models import AuditEvent, Bucket, Image, Rendition, StoredFile

from . import batches
from .batches import Row
from .names import KINDS

FIRST = 100  # objects shown of a preview
# A sweep that failed is not tried each minute: each try is a request.
PAUSE_AFTER_FAILURE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`keep_newest` of each kind, and `expire_after` so many seconds. None: not by this."""

    keep_newest: int | None = None
    expire_after: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.keep_newest is None and self.expire_after is None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a rule would remove at this moment: `count` images or files with `renditions`, `bytes` in all.

    `first` of them, the oldest. `exempt` ones would be among them, and stay; `held` ones too, as their bucket is under
    legal hold, and then nothing goes.
    """

    count: int
    renditions: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    first: Sequence[Row]
    exempt: int
    held: int


def rule_of(bucket: Bucket) -> Rule:
    return Rule(keep_newest=bucket.keep_newest, expire_after=bucket.expire_after)


def change(bucket: Bucket, rule: Rule, *, username: str, reason: str) -> None:
    """Set the rule, and switch it off: it comes into force by `switch_on` alone. Leaves an audit event."""
    _set(
        bucket,
        {**asdict(rule), "retention_on": False},
        action=AuditEvent.Action.RETENTION_CHANGED,
        username=username,
        reason=reason,
    )


def switch_on(bucket: Bucket, rule: Rule, *, username: str, reason: str) -> bool:
    """Put the rule into force if it is the bucket's, and not empty; whether it is now. Leaves an audit event."""
    if rule.is_empty or rule_of(Bucket.objects.get(pk=bucket.pk)) != rule:
        return False
    _set(
        bucket,
        {"retention_on": True},
        action=AuditEvent.Action.RETENTION_ON,
        username=username,
        reason=reason,
    )
    return True


def switch_off(bucket: Bucket, *, username: str, reason: str) -> None:
    """Leaves an audit event."""
    _set(bucket, {"retention_on": False}, action=AuditEvent.Action.RETENTION_OFF, username=username, reason=reason)


def due(bucket: Bucket, kind: type[Image] | type[StoredFile], *, exempt: bool = False) -> QuerySet[Any]:
    """Rows of this kind that the bucket's rule, in force or not, removes now; oldest first.

    Those exempt from it neither go nor count among the newest. With `exempt`: of these, which would go.
    """
    rows = kind.objects.filter(bucket=bucket, exempt=exempt)
    conditions = Q()
    if bucket.expire_after is not None:
        conditions |= Q(created_at__lte=timezone.now() - timedelta(seconds=bucket.expire_after))
    if bucket.keep_newest is not None and (last := _last_kept(bucket, kind)):
        created_at, pk = last
        conditions |= Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk)
    found = rows.filter(conditions) if conditions else rows.none()
    return found.order_by("created_at", "pk")


def preview(bucket: Bucket) -> Preview:
    """What the bucket's rule would remove now. No request to AWS."""
    kinds = [(due(bucket, kind), due(bucket, kind, exempt=True)) for kind in KINDS]
    totals = [
        rows.order_by().aggregate(
            count=Count("pk"), bytes=Sum("size"), oldest=Min("created_at"), newest=Max("created_at")
        )
        for rows, _exempt in kinds
    ]
    renditions = _renditions_of(bucket).aggregate(count=Count("pk"), bytes=Sum("size"))
    first: list[Row] = [row for rows, _exempt in kinds for row in rows.select_related("bucket")[:FIRST]]
    count = sum(total["count"] for total in totals)
    return Preview(
        count=0 if bucket.legal_hold else count,
        renditions=renditions["count"],
        bytes=sum(total["bytes"] or 0 for total in [*totals, renditions]),
        oldest=min((total["oldest"] for total in totals if total["oldest"]), default=None),
        newest=max((total["newest"] for total in totals if total["newest"]), default=None),
        first=sorted(first, key=lambda row: row.created_at)[:FIRST],
        exempt=sum(exempt.count() for _rows, exempt in kinds),
        held=count if bucket.legal_hold else 0,
    )


def cost(bucket: Bucket) -> dict[str, int]:
    """Requests of removing what is due now: none under legal hold. A query for each kind.

    1 for each 1,000 keys of a bucket; a single one is free.
    """
    total: Counter[str] = Counter()
    for kind in () if bucket.legal_hold else KINDS:
        counts: dict[int | None, Counter[bool]] = defaultdict(Counter)
        for place, key in _objects_due(bucket, kind):
            counts[place][goes_alone(key)] += 1
        for kept in counts.values():
            total += batches.cost(together=kept[False], alone=kept[True])
    return total


def waiting() -> list[Bucket]:
    """Buckets whose rule is in force and has something to remove; not those whose last sweep has just failed."""
    return [bucket for bucket in Bucket.objects.swept() if not _failed_just_now(bucket) and is_due(bucket)]


def is_due(bucket: Bucket) -> bool:
    """Whether the rule is in force and has something to remove."""
    return bucket.retains and any(due(bucket, kind).exists() for kind in KINDS)


def spare(row: Row) -> None:
    """Exempt a row from the rule of its bucket if that is in force and would remove it now."""
    bucket, kind = Bucket.objects.get(pk=row.bucket_id), type(row)
    if bucket.retention_on and due(bucket, kind).filter(pk=row.pk).exists():
        kind.objects.filter(pk=row.pk).update(exempt=True)


def _failed_just_now(bucket: Bucket) -> bool:
    failed_at = bucket.sweep.get("failed_at")
    return bool(failed_at) and datetime.fromisoformat(failed_at) > timezone.now() - PAUSE_AFTER_FAILURE


def _last_kept(bucket: Bucket, kind: type[Image] | type[StoredFile]) -> tuple[datetime, int] | None:
    """Time and id of the oldest that is still among the newest to keep; None when there are not so many."""
    rows = kind.objects.filter(bucket=bucket, exempt=False).order_by("-created_at", "-pk")
    last = (bucket.keep_newest or 1) - 1
    return rows.values_list("created_at", "pk")[last : last + 1].first()


def _renditions_of(bucket: Bucket) -> QuerySet[Rendition]:
    return Rendition.objects.filter(image__in=due(bucket, Image).order_by().values("pk")).order_by()


def _objects_due(bucket: Bucket, kind: type[Image] | type[StoredFile]) -> Iterator[tuple[int | None, str]]:
    """The key of each object that goes, and for renditions the bucket (id)."""
    made = ("renditions__bucket", "renditions__key") if kind is Image else ()
    rows = due(bucket, kind).values_list("pk", "key", *made).iterator()
    for _pk, group in groupby(rows, key=itemgetter(0)):
        for number, (_same, key, *rendition) in enumerate(group):
            if not number:
                yield None, key
            if rendition and rendition[0]:
                yield rendition[0], rendition[1]


def _set(bucket: Bucket, values: Mapping[str, Any], *, action: str, username: str, reason: str) -> None:
    with transaction.atomic():
        held = Bucket.objects.select_for_update().get(pk=bucket.pk)
        before = _values(held)
        for name, value in values.items():
            setattr(held, name, value)
        held.save(update_fields=list(values))
        AuditEvent.objects.create(
            username=username, action=action, target=held.name, before=before, after=_values(held), reason=reason
        )
    bucket.refresh_from_db()


def _values(bucket: Bucket) -> dict[str, Any]:
    return {**asdict(rule_of(bucket)), "on": bucket.retention_on}
