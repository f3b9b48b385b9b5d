"""What was changed and refused stays written down."""

import pytest
from django.db import transaction

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
