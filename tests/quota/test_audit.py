"""What was changed and refused stays written down."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from media_catalog.exceptions import QuotaRefused
from media_catalog.models import AuditEvent, BlockedRequest
from media_catalog.models.audit import AppendOnly
from media_catalog.quota import meter
from media_catalog.quota.attribution import attribute

from .ledger import set_limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def event() -> AuditEvent:
    """A refusal, as the meter writes it."""
    set_limit("s3_tier2", 0)
    with attribute(username="ann", action="admin:upload", bucket="photos"), pytest.raises(QuotaRefused):
        meter.spend("s3", "GetObject")
    return AuditEvent.objects.get()


def test_a_refusal_says_who_what_and_which_limit(event: AuditEvent) -> None:
    assert (event.action, event.username, event.target, event.reason) == (
        "refused",
        "ann",
        "GetObject",
        "admin:upload",
    )
    assert event.after["limits"] == [
        {"request_class": "s3_tier2", "period": "month", "needed": 1, "left": 0, "limit": 0}
    ]
    assert BlockedRequest.objects.values_list("username", "operation", "bucket", "period", "limit").get() == (
        "ann",
        "GetObject",
        "photos",
        "month",
        0,
    )


def test_what_a_job_is_refused_again_is_counted_in_one_row() -> None:
    set_limit("s3_tier2", 0)
    for job, operation, times in ((7, "GetObject", 3), (8, "GetObject", 1), (7, "HeadObject", 2), (0, "GetObject", 2)):
        for _request in range(times):
            with attribute(username="ann", job=job), pytest.raises(QuotaRefused):
                meter.spend("s3", operation)

    rows = BlockedRequest.objects.order_by("pk").values_list("job", "operation", "times")
    assert list(rows) == [
        (7, "GetObject", 3),
        (8, "GetObject", 1),
        (7, "HeadObject", 2),
        (0, "GetObject", 1),
        (0, "GetObject", 1),
    ]
    assert AuditEvent.objects.count() == 5


def test_a_minute_later_it_is_another_row() -> None:
    set_limit("s3_tier2", 0)
    for _request in range(2):
        with attribute(job=7), pytest.raises(QuotaRefused):
            meter.spend("s3", "GetObject")
        BlockedRequest.objects.update(at=timezone.now() - timedelta(seconds=61))

    assert list(BlockedRequest.objects.values_list("times", flat=True)) == [1, 1]
    assert AuditEvent.objects.count() == 2


def test_an_event_cannot_be_changed_or_deleted(event: AuditEvent) -> None:
    event.reason = "another"
    with pytest.raises(AppendOnly):
        event.save()
    with pytest.raises(AppendOnly):
        event.delete()
    for act in (
        lambda: AuditEvent.objects.update(reason="another"),
        lambda: AuditEvent.objects.filter(pk=event.pk).delete(),
        lambda: AuditEvent.objects.bulk_update([event], ["reason"]),
    ):
        with pytest.raises(AppendOnly), transaction.atomic():
            act()

    assert AuditEvent.objects.get().reason == "admin:upload"
