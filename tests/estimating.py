"""A bulk action from its page to S3: what was shown must be what is reserved, counted and sent."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from localcloud.process import RunningCloud
from media_catalog.models import Job, JobItem, RequestCounter
from media_catalog.quota.request_classes import classify

Requests = dict[str, int]  # per class, without zeros


def shown_by(context: Mapping[str, Any]) -> Requests:
    """What a page with costs.cost_context says."""
    lines = {line.limit.request_class: line.requests for line in context["cost_lines"]}
    return _sum([{**lines, "free": context["cost_free"]}])


def measured(
    cloud: RunningCloud, start: Callable[[], object], work: Callable[[], None]
) -> tuple[Requests, Requests, Requests]:
    """What the jobs that `start` begins have reserved, have counted, and S3 got of them.

    Not in it: POSTs that browsers have sent before, which are counted for their uploads when these are settled.
    """
    before = list(Job.objects.values_list("pk", flat=True))
    mark = cloud.access_log.mark()

    start()
    jobs = list(Job.objects.exclude(pk__in=before))
    work()

    items = JobItem.objects.filter(job__in=jobs)
    assert {(item.state, item.code) for item in items} <= {("done", ""), ("failed", "partly")}
    for row in RequestCounter.objects.all():
        assert (row.leased, row.reserved) == (0, 0)
    sent = [{classify("s3", each).value: count} for each, count in cloud.access_log.operations(mark).items()]
    return (
        _sum(job.estimate for job in jobs),
        _sum(item.requests for item in items),
        _sum(sent),
    )


def _sum(requests: Iterable[Mapping[str, int]]) -> Requests:
    total: Counter[str] = Counter()
    for each in requests:
        total.update(each)
    return dict(+total)
