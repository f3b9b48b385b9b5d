"""The quota panel, limits with their reasons, temporary limits, and the audit events they leave."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from media_catalog.exceptions import QuotaRefused
from media_catalog.models import (
    AuditEvent,
    BlockedRequest,
    Job,
    JobItem,
    LimitOverride,
    RequestClass,
    RequestLimit,
    RequestUsage,
)
from media_catalog.quota import reservations
from media_catalog.quota.attribution import attribute
from media_catalog.quota.meter import spend

PANEL = "/admin/media_catalog/requestusage/"
LIMITS = "/admin/media_catalog/requestlimit/"
OVERRIDES = "/admin/media_catalog/limitoverride/"


def _text(response) -> str:
    text = re.sub(r"<(script|style|head)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def _spend(times: int, service: str = "s3", operation: str = "PutObject", **who) -> None:
    with attribute(**who):
        for _time in range(times):
            spend(service, operation)


def _skipped(*, finished_at: datetime) -> None:
    """An analysis that was not needed."""
    job = Job.objects.create(kind="detect_faces", state="finished")
    JobItem.objects.create(job=job, state="skipped", code="current", finished_at=finished_at)


@pytest.fixture
def tier1(db) -> RequestLimit:
    return RequestLimit.objects.get(request_class=RequestClass.S3_TIER1)


class TestPanel:
    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_a_month_is_that_of_utc_wherever_the_site_is(self, admin_client, settings, zone):
        settings.TIME_ZONE = zone
        begins = timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        _skipped(finished_at=begins)
        _skipped(finished_at=begins - timedelta(hours=1))

        assert admin_client.get(PANEL).context["saved"] == {"unchanged analysis": 1}

    def test_figures_in_words(self, admin_client, tier1):
        RequestLimit.objects.filter(pk=tier1.pk).update(limit=100, headroom=10)
        _spend(85, username="ana", bucket="press")

        said = _text(admin_client.get(PANEL))

        for words in (
            "85 of 100 used",
            "15 left",
            "Close to the limit",
            "Headroom for interactive work 10",
            "Resets in",
            "ana 85",
            "press 85",
            "PutObject 85",
            "85 requests were measured",
        ):
            assert words in said, words

    def test_estimated_is_told_apart(self, admin_client, db):
        spend("s3", "GetObject", estimated=True)

        assert "0 requests were measured as they left, and 1 counted" in _text(admin_client.get(PANEL))

    def test_refusals_are_listed_with_the_numbers(self, admin_client, tier1):
        RequestLimit.objects.filter(pk=tier1.pk).update(limit=1)
        _spend(1)
        with pytest.raises(QuotaRefused):
            _spend(1, username="bo")

        said = _text(admin_client.get(PANEL))
        assert "bo PutObject S3 PUT, COPY, POST, LIST / Month: 1 1, 0 1" in said
        assert BlockedRequest.objects.get().username == "bo"
        assert AuditEvent.objects.get().action == AuditEvent.Action.REFUSED

    def test_a_value_narrows_the_page(self, admin_client, db):
        _spend(3, username="ana", job=7, job_kind="make_renditions")
        _spend(2, username="bo")

        narrowed = admin_client.get(f"{PANEL}?username=ana")
        said = _text(narrowed)
        assert "narrowed to: User: ana" in said
        assert "bo 2" not in said
        assert "Make renditions 3" in said
        assert "?username=ana&amp;operation=PutObject" in narrowed.content.decode()

    @pytest.mark.parametrize("query", ["job=x", "username=%00", "job=999999999999999999", "operation=%27"])
    def test_odd_values_are_no_error(self, admin_client, db, query):
        assert admin_client.get(f"{PANEL}?{query}").status_code == 200

    def test_without_the_permission_one_sees_ones_own(self, client, staff_with):
        user = staff_with("view_image")
        _spend(3, username=user.username)
        _spend(2, username="somebody-else")
        client.force_login(user)

        said = _text(client.get(PANEL))
        assert f"{user.username} 3" in said
        assert "somebody-else" not in said
        assert "Requests saved" not in said
        client.force_login(staff_with("view_requestusage"))
        assert "somebody-else 2" in _text(client.get(PANEL))

    def test_few_queries_however_much_was_spent(self, admin_client, db, django_assert_max_num_queries):
        RequestUsage.objects.bulk_create(
            RequestUsage(
                day=timezone.now().date(),
                request_class="s3_tier1",
                operation="PutObject",
                username=f"user-{number}",
                job=number,
                count=number,
            )
            for number in range(1, 300)
        )
        with django_assert_max_num_queries(24):
            admin_client.get(PANEL)

    def test_the_banner_is_on_every_page_while_it_is_true(self, admin_client, tier1):
        RequestLimit.objects.filter(pk=tier1.pk).update(limit=10)
        _spend(10)
        assert "Limit reached: S3 PUT, COPY, POST, LIST." in _text(admin_client.get("/admin/media_catalog/image/"))

        RequestLimit.objects.filter(pk=tier1.pk).update(limit=100)
        assert "Limit reached" not in _text(admin_client.get("/admin/media_catalog/image/"))


class TestLimits:
    def _change(self, client, row: RequestLimit, **changes):
        fields = ("limit", "headroom", "warn_percent", "source", "source_note")
        data = {name: getattr(row, name) for name in fields}
        data |= {"source_date": "2026-11-20", "reason": "New contract", **changes}
        return client.post(f"{LIMITS}{row.pk}/change/", data, follow=True)

    def test_a_change_leaves_an_audit_event_with_the_reason(self, admin_client, admin_user, tier1):
        self._change(admin_client, tier1, limit=5000)

        event = AuditEvent.objects.get()
        assert (event.username, event.action, event.reason) == (admin_user.username, "limit_changed", "New contract")
        assert (event.before["limit"], event.after["limit"]) == (2000, 5000)
        assert "limit: 2,000 → 5,000" in _text(admin_client.get("/admin/media_catalog/auditevent/"))

    def test_without_a_reason_nothing_changes(self, admin_client, tier1):
        response = self._change(admin_client, tier1, limit=5000, reason=" ")

        assert "This field is required." in _text(response)
        tier1.refresh_from_db()
        assert tier1.limit == 2000

    def test_below_what_is_used_it_says_so_and_blocks_at_once(self, admin_client, tier1):
        _spend(5)

        said = _text(self._change(admin_client, tier1, limit=3))

        assert "5 requests are used already: further ones are refused" in said
        assert "held for what is under way" not in said

    def test_below_what_is_held_it_says_how_much(self, admin_client, tier1):
        reservations.reserve(kind="job", units={"s3_tier1": 7}, seconds=60, bulk=True)

        said = _text(self._change(admin_client, tier1, limit=3))

        assert "7 more are held for what is under way" in said
        with pytest.raises(QuotaRefused):
            _spend(1)

    def test_headroom_above_the_limit_is_refused(self, admin_client, tier1):
        assert "it cannot be larger" in _text(self._change(admin_client, tier1, limit=10, headroom=11))

    def test_what_is_free_gets_no_limit(self, admin_client, db):
        data = {"request_class": "free", "period": "month", "limit": "0", "headroom": "0", "warn_percent": "80"}
        data |= {"source": "hand", "source_date": "2026-11-20", "reason": "x"}
        assert "free of charge" in _text(admin_client.post(f"{LIMITS}add/", data))
        assert not RequestLimit.objects.filter(request_class="free").exists()

    def test_it_is_not_removed_without_a_reason(self, admin_client, tier1):
        assert admin_client.post(f"{LIMITS}{tier1.pk}/delete/", {"post": "yes"}).status_code == 403
        assert RequestLimit.objects.filter(pk=tier1.pk).exists()

    def test_it_needs_its_own_permission(self, client, staff_with, tier1):
        client.force_login(staff_with("view_requestlimit"))
        assert self._change(client, tier1, limit=1).status_code == 403
        client.force_login(staff_with("view_requestlimit", "change_requestlimit"))
        self._change(client, tier1, limit=1)
        tier1.refresh_from_db()
        assert tier1.limit == 1


class TestOverrides:
    def _add(self, client, row, *, hours: int = 1, **fields):
        until = timezone.now() + timedelta(hours=hours)
        data = {
            "request_limit": row.pk,
            "limit": "3",
            "reason": "Trade fair",
            "expires_at_0": f"{until:%Y-%m-%d}",
            "expires_at_1": f"{until:%H:%M:%S}",
        }
        return client.post(f"{OVERRIDES}add/", data | fields, follow=True)

    def test_holds_until_it_expires(self, admin_client, admin_user, tier1, monkeypatch):
        self._add(admin_client, tier1)

        override = LimitOverride.objects.get()
        assert (override.limit, override.created_by) == (3, admin_user.username)
        event = AuditEvent.objects.get()
        assert (event.action, event.reason, event.after["limit"]) == ("override_added", "Trade fair", 3)
        _spend(3)
        with pytest.raises(QuotaRefused):
            _spend(1)
        later = timezone.now() + timedelta(hours=2)
        monkeypatch.setattr(timezone, "now", lambda: later)
        _spend(1)

    def test_is_ended_early_by_hand(self, admin_client, tier1):
        self._add(admin_client, tier1)
        selected = {"action": "end_now", "_selected_action": [LimitOverride.objects.get().pk]}

        admin_client.post(OVERRIDES, selected)

        _spend(4)
        assert list(AuditEvent.objects.values_list("action", flat=True)) == ["override_ended", "override_added"]

    def test_a_moment_that_is_over_is_refused(self, admin_client, tier1):
        assert "choose a moment to come" in _text(self._add(admin_client, tier1, hours=-1))
        assert not LimitOverride.objects.exists()

    def test_needs_a_reason_and_the_permission(self, admin_client, client, staff_with, tier1):
        assert "This field is required." in _text(self._add(admin_client, tier1, reason=""))
        client.force_login(staff_with("view_limitoverride"))
        assert self._add(client, tier1).status_code == 403
