"""The audit in words, whatever was done; and the list of all that the limits refused."""

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from media_catalog.exceptions import QuotaRefused
from media_catalog.jobs import control
from media_catalog.models import AuditEvent, BlockedRequest, Bucket, Finding, Job, RequestLimit
from media_catalog.quota import audit
from media_catalog.quota.attribution import attribute
from media_catalog.quota.meter import spend
from media_catalog.services import bucket_audit, buckets, retention
from media_catalog.services.retention import Rule

AUDIT = "/admin/media_catalog/auditevent/"
LIST = "/admin/media_catalog/blockedrequest/"
PANEL = "/admin/media_catalog/requestusage/"
Action = AuditEvent.Action


def _text(response) -> str:
    text = re.sub(r"<(script|style|head)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def _limit(limit: int = 2000) -> RequestLimit:
    RequestLimit.objects.filter(request_class="s3_tier1", period="month").update(limit=limit)
    return RequestLimit.objects.get(request_class="s3_tier1", period="month")


def _change_limit() -> None:
    before = audit.values(_limit(2000))
    audit.limit_changed(_limit(3000), before=before, username="ana", reason="more")


def _override():
    until = timezone.now() + timedelta(days=1)
    return audit.add_override(limit=_limit(2000), figure=5000, until=until, reason="campaign", username="ana")


def _refuse(**who) -> None:
    _limit(0)
    with pytest.raises(QuotaRefused), attribute(**who):
        spend("s3", "PutObject")


def _finished_job() -> Job:
    job = Job.objects.create(kind="purge", requester="bo", scope="3 objects", state="finished")
    job.items.create(target="x", state="failed")
    return job


def _bucket(**fields) -> Bucket:
    return Bucket.objects.create(name="photos", role="general", **fields)


def _set_rule() -> None:
    retention.change(_bucket(), Rule(keep_newest=1200), username="ana", reason="full")


def _delete_job() -> None:
    control.delete(_finished_job(), by="ana")


def _switch_on() -> None:
    retention.switch_on(_bucket(keep_newest=5), Rule(keep_newest=5), username="ana", reason="full")


def _pause_and_resume() -> None:
    control.pause_queue(by="ana")
    control.resume_queue(by="ana")


def _deleted(action: str) -> None:
    audit.deleted(action, bucket="photos", keys=[f"2026/{number}.jpg" for number in range(1200)], username="ana")


def _change_bucket() -> None:
    bucket = _bucket()
    bucket.page_title, bucket.inventory_every, bucket.legal_hold = "Our photos", 168, True
    buckets.change(bucket, ["page_title", "inventory_every", "legal_hold"])


def _lift_hold() -> None:
    bucket = _bucket(legal_hold=True)
    bucket.legal_hold = False
    buckets.change(bucket, ["legal_hold"])


def _act(action: Finding.Action) -> None:
    finding = Finding(bucket=_bucket(), kind="object", key="a.jpg")
    bucket_audit.acted(finding, action, by="ana")


DONE: dict[str, tuple[Callable[[], object], str]] = {
    Action.LIMIT_CHANGED: (_change_limit, "limit: 2,000 → 3,000"),
    Action.OVERRIDE_ADDED: (_override, "limit: 2,000 → 5,000, until: – → "),
    Action.OVERRIDE_ENDED: (lambda: audit.end_override(_override(), username="ana"), "limit: 5,000 → 2,000, until: "),
    Action.REFUSED: (
        lambda: _refuse(job=7, bucket="photos"),
        "S3 PUT, COPY, POST, LIST / Month: 1 needed, 0 of 0 left; job #7; bucket photos",
    ),
    Action.JOB_DELETED: (_delete_job, "kind: Purge trash, scope: 3 objects, requested by: bo, requested: "),
    Action.QUEUE_PAUSED: (_pause_and_resume, "Queue paused"),
    Action.QUEUE_RESUMED: (_pause_and_resume, "Queue resumed"),
    Action.RETENTION_CHANGED: (_set_rule, "keep newest: – → 1,200"),
    Action.RETENTION_ON: (_switch_on, "in force: no → yes"),
    Action.RETENTION_OFF: (
        lambda: retention.switch_off(_bucket(retention_on=True), username="ana", reason="full"),
        "in force: yes → no",
    ),
    Action.RETENTION_SWEPT: (lambda: _deleted(Action.RETENTION_SWEPT), "objects: 1,200, the first: 2026/0.jpg, 2026/1"),
    Action.TRASH_PURGED: (lambda: _deleted(Action.TRASH_PURGED), "objects: 1,200, the first: 2026/0.jpg, 2026/1"),
    Action.BUCKET_CREATED: (
        lambda: bucket_audit.created(_bucket(region="eu-west-1")),
        "region: eu-west-1, role: General, accepts: Images",
    ),
    Action.BUCKET_CHANGED: (
        _change_bucket,
        "page of its own: – → Our photos, inventory by the clock: Never → Each week",
    ),
    Action.BUCKET_EMPTIED: (
        lambda: bucket_audit.emptied(_bucket(), [f"a{number}\n" for number in range(1200)]),
        "objects: 1,200, the first: a0␊, a1␊",
    ),
    Action.BUCKET_DELETED: (
        lambda: bucket_audit.deleted(_bucket(region="eu-west-1"), entries=1200),
        "region: eu-west-1, role: General, entries deleted: 1,200",
    ),
    Action.LEGAL_HOLD_ON: (_change_bucket, "Legal hold set"),
    Action.LEGAL_HOLD_OFF: (_lift_hold, "Legal hold lifted"),
    Action.FINDING_QUARANTINED: (lambda: _act(Finding.Action.QUARANTINE), "finding: Object without row, key: a.jpg"),
    Action.FINDING_DELETED: (lambda: _act(Finding.Action.DELETE), "finding: Object without row, key: a.jpg"),
}


class TestAudit:
    @pytest.mark.parametrize("action", list(Action))
    def test_each_event_says_what_it_was(self, admin_client, db, action):
        do, words = DONE[action]
        do()
        event = AuditEvent.objects.filter(action=action).latest("pk")

        listed = _text(admin_client.get(f"{AUDIT}?action__exact={action}"))
        own_page = _text(admin_client.get(f"{AUDIT}{event.pk}/change/"))

        for said in (listed, own_page):
            assert words in said
            assert "{" not in said


class TestRefusals:
    def test_the_panel_leads_to_all_and_names_the_job(self, admin_client, db):
        job = _finished_job()
        _refuse(job=job.pk, username="bo", bucket="photos")

        panel = admin_client.get(PANEL).content.decode()
        assert f'href="/admin/media_catalog/job/{job.pk}/change/">#{job.pk}</a>' in panel
        assert f'href="{LIST}"' in panel
        shown = admin_client.get(LIST).content.decode()
        assert "1 needed, 0 of 0 left" in shown
        assert f'href="/admin/media_catalog/job/{job.pk}/change/">#{job.pk}</a>' in shown
        job.delete()
        assert f"/job/{job.pk}/change/" not in admin_client.get(LIST).content.decode()

    @pytest.mark.parametrize(
        ("query", "count"),
        [("", 3), ("q=bo", 1), ("q=%2312", 1), ("q=12", 1), ("request_class__exact=s3_tier1", 3), ("q=nobody", 0)],
    )
    def test_it_is_searched_and_filtered(self, admin_client, db, query, count):
        _refuse(username="bo")
        _refuse(username="ana", job=12)
        _refuse(username="ana", job=13)
        assert admin_client.get(f"{LIST}?{query}").context["cl"].result_count == count

    def test_it_is_paged_in_few_queries(self, admin_client, db, django_assert_max_num_queries):
        rows = [
            BlockedRequest(request_class="s3_tier1", period="month", operation="PutObject", limit=1, job=number)
            for number in range(120)
        ]
        BlockedRequest.objects.bulk_create(rows)
        with django_assert_max_num_queries(12):
            shown = admin_client.get(LIST)
        assert len(shown.context["cl"].result_list) == 50

    def test_without_the_permission_one_sees_ones_own(self, client, staff_with):
        user: User = staff_with("view_image")
        _refuse(username=user.username)
        _refuse(username="somebody-else")
        client.force_login(user)
        assert client.get(LIST).context["cl"].result_count == 1
        client.force_login(staff_with("view_requestusage"))
        assert client.get(LIST).context["cl"].result_count == 2


def test_the_panel_says_what_of_the_saved_is_not_counted_yet(admin_client, db):
    assert "up to 49 of each process that serves pages are not counted yet" in _text(admin_client.get(PANEL))
