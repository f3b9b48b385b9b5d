"""The pages of a bucket's retention rule, what the sweep does behind them, and exemptions."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.jobs import schedules, sweeps
from media_catalog.models import AuditEvent, Bucket, Image, Job, RequestLimit, StoredFile
from media_catalog.services import names, retention
from tests.aws.faults import s3_error, serving

from .buckets import messages_of, new_bucket, page

RULE = {"keep_newest": "2", "life": "15", "unit": "minutes", "reason": "Tidy up"}


@pytest.fixture
def folder(db) -> Bucket:
    """A row alone, for what sends nothing."""
    RequestLimit.objects.update(limit=1_000_000)
    return Bucket.objects.create(name="reports", role="general", accepts="any", region="us-east-1")


@pytest.fixture
def real(originals) -> Bucket:
    return new_bucket()


def _rows(bucket, count, *, age=5000, first=0, **fields) -> list[StoredFile]:
    """Rows alone: what S3 does not have is deleted there without a word."""
    now = timezone.now() - timedelta(seconds=age)
    facts = {"bucket": bucket, "etag": "e", "size": 10, "content_type": "text/plain", "description": "a file", **fields}
    return StoredFile.objects.bulk_create(
        StoredFile(key=f"{n:05}.txt", name=f"{n:05}.txt", created_at=now + timedelta(milliseconds=n), **facts)
        for n in range(first, first + count)
    )


def _on(bucket, **rule) -> None:
    Bucket.objects.filter(pk=bucket.pk).update(**{"retention_on": True, "expire_after": 900, **rule})
    bucket.refresh_from_db()


def _switch_on(client, bucket, **fields):
    shown = client.get(page(bucket, "retention_preview")).context
    data = {"rule": shown["rule_value"], "reason": "Seen", "on": "1", **fields}
    return client.post(page(bucket, "retention_preview"), data, follow=True)


class TestRule:
    def test_it_is_saved_off_and_leads_to_its_preview(self, admin_client, real, cloud):
        mark = cloud.access_log.mark()

        response = admin_client.post(page(real, "retention"), RULE, follow=True)

        assert response.redirect_chain == [(page(real, "retention_preview"), 302)]
        real.refresh_from_db()
        assert (real.keep_newest, real.expire_after, real.retention_on) == (2, 900, False)
        event = AuditEvent.objects.get()
        assert (event.action, event.target, event.reason) == ("retention_changed", real.name, "Tidy up")
        assert event.before == {"keep_newest": None, "expire_after": None, "on": False}
        assert event.after == {"keep_newest": 2, "expire_after": 900, "on": False}
        assert "Retention rule" in LogEntry.objects.get().change_message
        assert not cloud.access_log.since(mark)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"keep_newest": "0"}, "keep_newest"),
            ({"keep_newest": "-1"}, "keep_newest"),
            ({"keep_newest": "many"}, "keep_newest"),
            ({"keep_newest": "9" * 30}, "keep_newest"),
            ({"life": "0"}, "life"),
            ({"life": "59", "unit": "seconds"}, "life"),
            ({"life": "9999999", "unit": "days"}, "life"),
            ({"unit": "fortnights"}, "unit"),
            ({"reason": ""}, "reason"),
        ],
    )
    def test_what_cannot_be_is_said_and_nothing_changes(self, admin_client, folder, changes, field):
        response = admin_client.post(page(folder, "retention"), RULE | changes)

        assert field in response.context["form"].errors
        folder.refresh_from_db()
        assert (folder.keep_newest, folder.expire_after) == (None, None)
        assert not AuditEvent.objects.exists()

    def test_a_change_switches_it_off_and_the_same_again_does_not(self, admin_client, folder):
        _on(folder, keep_newest=2)
        admin_client.post(page(folder, "retention"), RULE)
        folder.refresh_from_db()
        assert folder.retention_on

        admin_client.post(page(folder, "retention"), RULE | {"keep_newest": "1"})
        folder.refresh_from_db()
        assert not folder.retention_on

    def test_without_a_rule_there_is_nothing_to_see_or_to_switch_on(self, admin_client, folder):
        assert "No rule: everything stays." in admin_client.get(page(folder, "retention")).content.decode()
        response = admin_client.post(page(folder, "retention_preview"), {"rule": "None/None", "reason": "x", "on": "1"})
        assert response["Location"] == page(folder, "retention")
        admin_client.post(page(folder, "retention"), RULE)
        none = {"keep_newest": "", "life": "", "unit": "days", "reason": "No more"}
        assert admin_client.post(page(folder, "retention"), none)["Location"] == page(folder, "retention")
        folder.refresh_from_db()
        assert retention.rule_of(folder).is_empty

    def test_it_is_switched_off_with_a_reason(self, admin_client, folder):
        _on(folder)
        admin_client.post(page(folder, "retention"), {"off": "1", "off-reason": ""})
        folder.refresh_from_db()
        assert folder.retention_on
        admin_client.post(page(folder, "retention"), {"off": "1", "off-reason": "Enough"})
        folder.refresh_from_db()
        assert not folder.retention_on
        assert AuditEvent.objects.get().reason == "Enough"

    def test_it_needs_a_permission_of_its_own_by_hand_too(self, client, folder, staff_with):
        client.force_login(staff_with("view_bucket", "change_bucket"))
        shown = client.get(page(folder, "retention")).content.decode()
        assert "Save and see" not in shown
        assert client.post(page(folder, "retention"), RULE).status_code == 403
        assert client.get(page(folder, "retention_preview")).status_code == 403
        assert client.post(page(folder, "retention_preview"), {"rule": "2/900", "reason": "x"}).status_code == 403
        client.force_login(staff_with("view_image"))
        assert client.get(page(folder, "retention")).status_code == 403
        assert not AuditEvent.objects.exists()


class TestPreview:
    def test_it_shows_what_goes_what_stays_and_what_it_costs_with_no_request(self, admin_client, real, cloud):
        _rows(real, 120)
        _rows(real, 2, first=200, exempt=True)
        _rows(real, 3, first=300, age=1)
        admin_client.post(page(real, "retention"), RULE)
        mark = cloud.access_log.mark()

        response = admin_client.get(page(real, "retention_preview"))

        shown = response.context["shown"]
        assert (shown.count, shown.bytes, shown.exempt, shown.held) == (121, 1210, 2, 0)
        assert len(response.context["rows"]) == 100
        assert response.context["more"] == 21
        assert shown.oldest < shown.newest
        text = response.content.decode()
        assert "not to the trash" in text
        assert "and 21 more" in text
        assert [line.requests for line in response.context["cost_lines"]] == [1]
        assert not cloud.access_log.since(mark)

    def test_its_queries_do_not_grow(self, admin_client, folder, django_assert_max_num_queries):
        _on(folder)
        _rows(folder, 300)
        with django_assert_max_num_queries(30):
            admin_client.get(page(folder, "retention_preview"))

    def test_of_a_bucket_under_legal_hold_nothing_goes(self, admin_client, folder):
        _rows(folder, 3)
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True, expire_after=900)
        shown = admin_client.get(page(folder, "retention_preview")).context["shown"]
        assert (shown.count, shown.held) == (0, 3)

    def test_its_button_puts_the_rule_into_force_and_starts_the_sweep(self, admin_client, real, work):
        _rows(real, 3)
        kept = _rows(real, 1, first=10, age=1)
        admin_client.post(page(real, "retention"), RULE)

        response = _switch_on(admin_client, real)

        assert response.redirect_chain == [(page(real, "retention"), 302)]
        event = AuditEvent.objects.first()
        assert (event.action, event.reason, event.after["on"]) == ("retention_on", "Seen", True)
        job = Job.objects.get()
        assert (job.kind, job.requester, job.estimate["s3_tier1"]) == ("sweep_retention", "", 1)
        work()
        assert job.items.get().message == "3 removed."
        assert list(StoredFile.objects.all()) == kept
        assert "3 removed" in admin_client.get(page(real, "retention")).content.decode()

    def test_a_rule_that_changed_meanwhile_is_shown_again(self, admin_client, folder):
        admin_client.post(page(folder, "retention"), RULE)
        response = _switch_on(admin_client, folder, rule="2/60")
        assert "The rule has changed meanwhile" in messages_of(response)[0]
        assert _switch_on(admin_client, folder, reason="").context["form"].errors
        folder.refresh_from_db()
        assert not folder.retention_on

    def test_many_must_be_typed(self, admin_client, folder, settings):
        settings.JOB_CONFIRM_ABOVE = 2
        _rows(folder, 3)
        Bucket.objects.filter(pk=folder.pk).update(expire_after=900)
        assert "Type the number, 3" in messages_of(_switch_on(admin_client, folder))[0]
        assert not Job.objects.exists()
        _switch_on(admin_client, folder, typed="3")
        assert Job.objects.exists()


class TestSchedule:
    def test_one_job_for_each_bucket_with_something_due_and_none_beside_an_open_one(self, real, work):
        due, off, fresh, held = real, new_bucket(), new_bucket(), new_bucket()
        for bucket in (due, off, fresh, held):
            _rows(bucket, 2, age=1 if bucket == fresh else 5000)
            _on(bucket, retention_on=bucket != off, legal_hold=bucket == held)

        assert schedules.sweep_retention() == 1
        assert schedules.sweep_retention() == 0
        job = Job.objects.get()
        assert job.options["bucket"] == due.pk
        assert StoredFile.objects.count() == 8

        work()
        assert StoredFile.objects.filter(bucket=due).count() == 0
        assert StoredFile.objects.count() == 6
        assert schedules.sweep_retention() == 0

    def test_a_limit_parks_the_job_and_no_other_is_started(self, folder):
        _rows(folder, 2)
        _on(folder)
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        schedules.sweep_retention()
        assert Job.objects.get().state == Job.State.PARKED
        assert schedules.sweep_retention() == 0
        assert StoredFile.objects.count() == 2

    def test_what_failed_is_not_tried_each_minute(self, real, settings, work):
        _rows(real, 2)
        _on(real)
        schedules.sweep_retention()
        with serving() as server:
            server.script.append(s3_error(403, "AccessDenied"))
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            work()
        assert Job.objects.get().items.get().code == "denied"
        assert StoredFile.objects.count() == 2
        assert schedules.sweep_retention() == 0

    def test_a_bucket_that_is_gone_is_skipped(self, real, work):
        _rows(real, 1)
        _on(real)
        sweeps.start_sweep(real)
        StoredFile.objects.all().delete()
        real.delete()
        work()
        assert Job.objects.get().items.get().code == "gone"


class TestExemption:
    def test_of_an_image_it_has_a_permission_of_its_own(self, client, store, originals, staff_with):
        image = store()
        _on(originals)
        change = f"/admin/media_catalog/image/{image.pk}/change/"
        client.force_login(staff_with("view_image", "change_image"))
        assert "in 14 minutes" in client.get(change).content.decode()
        client.post(change, {"name": "a", "caption": "", "exempt": "on"})
        image.refresh_from_db()
        assert (image.name, image.exempt) == ("a", False)

        client.force_login(staff_with("view_image", "change_image", "exempt_image"))
        client.post(change, {"name": "a", "caption": "", "exempt": "on"})
        image.refresh_from_db()
        assert image.exempt
        assert "Exempt from retention" in LogEntry.objects.latest("pk").get_change_message()
        assert "in 14 minutes" not in client.get(change).content.decode()


class TestUniqueNames:
    def test_they_are_asked_for_only_of_a_bucket_whose_names_are_unique(self, admin_client, originals, store):
        one, two = store(name="a.jpg"), store(name="a.jpg")
        change = f"/admin/media_catalog/bucket/{originals.pk}/change/"
        data = {"upload_rule": "none", "rule_width": "1024", "rule_height": "786", "resize_engine": "worker"}
        data["inventory_every"] = "0"
        response = admin_client.post(change, data | {"unique_names": "on"})
        assert "Change these first" in response.content.decode()

        Image.objects.filter(pk=two.pk).update(name="b.jpg")
        admin_client.post(change, data | {"unique_names": "on"})
        originals.refresh_from_db()
        assert originals.unique_names
        assert set(Image.objects.values_list("unique_name", flat=True)) == {True}
        edit = f"/admin/media_catalog/image/{one.pk}/change/"
        assert "This name is taken" in admin_client.post(edit, {"name": "b.jpg"}).content.decode()
        assert "at most 80" in admin_client.post(edit, {"name": "b" * 81}).content.decode()
        assert admin_client.post(edit, {"name": "a.jpg"}).status_code == 302

        admin_client.post(change, data)
        assert set(Image.objects.values_list("unique_name", flat=True)) == {False}

    def test_of_two_changes_at_the_same_moment_one_is_refused(self, admin_client, originals, store, monkeypatch):
        Image.objects.filter(pk=store(name="b.jpg").pk).update(unique_name=True)
        image = store(name="a.jpg")
        Image.objects.filter(pk=image.pk).update(unique_name=True)
        monkeypatch.setattr(names, "check", lambda *args, **options: None)

        response = admin_client.post(f"/admin/media_catalog/image/{image.pk}/change/", {"name": "b.jpg"}, follow=True)

        assert "This name is taken" in messages_of(response)[0]
        image.refresh_from_db()
        assert image.name == "a.jpg"
