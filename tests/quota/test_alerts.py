"""Alerts come at the threshold and at the limit, once for each period."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core import mail
from pytest_django import Settings

from media_catalog.exceptions import QuotaRefused
from media_catalog.jobs.schedules import keep_quota
from media_catalog.models import LimitAlert, LimitOverride, RequestLimit
from media_catalog.quota import meter

from .ledger import no_limits, set_limit, used

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Clock = Callable[[datetime], None]
LOGGER = "media_catalog.quota.alerts"


@pytest.fixture(autouse=True)
def _limit(settings: Settings, at: Clock) -> None:
    settings.QUOTA_ALERT_EMAILS = ["ops@example.com"]
    no_limits()
    set_limit("s3_tier2", 10)
    at(datetime(2026, 11, 20, tzinfo=UTC))


def get(times: int) -> None:
    for _request in range(times):
        meter.spend("s3", "GetObject")


@pytest.mark.parametrize("leasing", [False, True])
def test_once_at_the_threshold_and_once_at_the_limit(leasing: bool, caplog: pytest.LogCaptureFixture) -> None:
    def spend(times: int) -> None:
        if leasing:
            with meter.leasing():
                get(times)
        else:
            get(times)

    spend(7)
    assert not mail.outbox
    spend(2)
    assert [message.subject for message in mail.outbox] == ["Close to the limit: S3 GET and all other"]
    spend(1)
    for _again in range(2):
        with pytest.raises(QuotaRefused):
            spend(1)

    assert mail.outbox[1].subject == "Limit reached: S3 GET and all other"
    assert mail.outbox[1].to == ["ops@example.com"]
    assert len(mail.outbox) == 2
    assert list(LimitAlert.objects.order_by("pk").values_list("level", "limit")) == [("warn", 10), ("limit", 10)]
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == LOGGER]
    assert [(line["event"], line["level"], line["request_class"], line["period_starts"]) for line in lines] == [
        ("quota_alert", "warn", "s3_tier2", "2026-11-01"),
        ("quota_alert", "limit", "s3_tier2", "2026-11-01"),
    ]


def test_again_in_the_next_period(at: Clock) -> None:
    get(8)
    at(datetime(2026, 12, 1, tzinfo=UTC))
    get(8)

    assert [alert.starts.month for alert in LimitAlert.objects.order_by("pk")] == [11, 12]


def test_a_limit_that_is_raised_and_reached_again_is_not_told_twice() -> None:
    get(8)
    set_limit("s3_tier2", 20)
    get(8)

    assert len(mail.outbox) == LimitAlert.objects.count() == 1


class TestWithoutARequestThatCrosses:
    """The schedule sees what stands above a threshold, however it came to."""

    def test_a_limit_that_is_lowered(self, caplog: pytest.LogCaptureFixture) -> None:
        set_limit("s3_tier2", 1000)
        get(85)
        keep_quota()
        assert not LimitAlert.objects.exists()

        set_limit("s3_tier2", 100)
        for _minute in range(2):
            keep_quota()

        assert LimitAlert.objects.values_list("level", "used", "limit").get() == ("warn", 85, 100)
        assert [message.subject for message in mail.outbox] == ["Close to the limit: S3 GET and all other"]
        [line] = [json.loads(record.getMessage()) for record in caplog.records if record.name == LOGGER]
        assert (line["level"], line["used"], line["limit"]) == ("warn", 85, 100)

        set_limit("s3_tier2", 85)
        keep_quota()
        assert mail.outbox[1].subject == "Limit reached: S3 GET and all other"

    def test_a_temporary_limit_that_is_over(self, at: Clock) -> None:
        LimitOverride.objects.create(
            request_limit=RequestLimit.objects.get(),
            limit=1000,
            created_at=datetime(2026, 11, 20, tzinfo=UTC),
            expires_at=datetime(2026, 11, 20, 1, tzinfo=UTC),
        )
        get(85)
        keep_quota()
        assert not mail.outbox

        at(datetime(2026, 11, 20, 2, tzinfo=UTC))
        keep_quota()

        assert [message.subject for message in mail.outbox] == ["Limit reached: S3 GET and all other"]
        assert LimitAlert.objects.values_list("level", "used", "limit").get() == ("limit", 85, 10)

    def test_a_limit_of_nothing_is_told_when_it_refuses(self) -> None:
        set_limit("s3_tier2", 0)
        keep_quota()
        assert not mail.outbox

        with pytest.raises(QuotaRefused):
            get(1)
        assert len(mail.outbox) == 1


def test_no_mail_when_nobody_is_named(settings: Settings) -> None:
    settings.QUOTA_ALERT_EMAILS = []
    get(8)

    assert not mail.outbox
    assert LimitAlert.objects.count() == 1


def test_a_mail_server_that_is_away_fails_no_request(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    get(10)

    assert used() == {"s3_tier2": 10}
    assert LimitAlert.objects.count() == 2
