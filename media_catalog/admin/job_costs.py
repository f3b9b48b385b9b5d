"""What a job costs: the estimate, what is reserved, and what has been used."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum, Value
from django.utils import timezone

from media_catalog.models import Job, RequestClass, RequestUsage, ReservedUnits
from media_catalog.quota.periods import day_of


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """Requests of one class. `reserved` and `spent` are those of the latest reservation."""

    request_class: RequestClass
    estimated: int
    reserved: int
    spent: int
    used: int


def cost_lines(job: Job) -> list[CostLine]:
    """The classes that the job was to use or has used, in their order. One query."""
    reserved = ReservedUnits.objects.filter(reservation=job.reservation_id)
    figures = (
        _usage(job)
        .values("request_class")
        .annotate(what=Value("used"), figure=Sum("count"))
        .values_list("what", "request_class", "figure")
        .union(
            reserved.annotate(what=Value("reserved")).values_list("what", "request_class", "units"),
            reserved.annotate(what=Value("spent")).values_list("what", "request_class", "spent"),
            all=True,
        )
    )
    found = {(what, request_class): figure for what, request_class, figure in figures}
    lines = [
        CostLine(
            request_class=cls,
            estimated=job.estimate.get(cls, 0),
            reserved=found.get(("reserved", cls), 0),
            spent=found.get(("spent", cls), 0),
            used=found.get(("used", cls), 0),
        )
        for cls in RequestClass
    ]
    return [line for line in lines if line.estimated or line.reserved or line.used]


def _usage(job: Job) -> QuerySet[RequestUsage]:
    """Narrowed to the days of the job, which are what the table is indexed by."""
    until: datetime = job.finished_at or timezone.now()
    return RequestUsage.objects.filter(job=job.pk, day__range=(day_of(job.created_at), day_of(until))).order_by()
