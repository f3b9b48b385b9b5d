"""Findings: from real buckets to their pages, and the look at S3 before anything is done about them."""

import pytest
from django.contrib.auth.models import Permission

from media_catalog.admin import finding_actions
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, Finding, Image, Job, JobItem, Rendition, RequestLimit
from tests.aws.faults import RESET, Answer, s3_error, serving
from tests.pictures import jpeg
from tests.reconciling import images

from .buckets import page, put
from .findings import LIST, Kind, State, act, choose, found, keys, one, take

__all__ = ["act", "found", "take"]
pytestmark = pytest.mark.database


class TestFound:
    def test_one_of_each_and_nothing_else(self, found, admin_client):
        lost = Rendition.objects.get(preset__slug="low")
        assert set(Finding.objects.values_list("kind", "key", "state", "times_seen")) == {
            (Kind.ROW_WITHOUT_OBJECT, "gone.jpg", State.OPEN, 2),
            (Kind.ROW_WITHOUT_OBJECT, lost.key, State.OPEN, 2),
            (Kind.OBJECT_WITHOUT_ROW, "other/new.jpg", State.OPEN, 2),
            (Kind.RENDITION_WITHOUT_ORIGINAL, "low/orphan.jpg", State.OPEN, 2),
            (Kind.STALE_UPLOAD, "stale.jpg", State.OPEN, 2),
        }
        content = admin_client.get(LIST).content.decode()
        for text in ("gone.jpg", "Object without row", "Stale upload", "5 findings"):
            assert text in content

    def test_an_image_that_is_missing_says_so_on_its_pages(self, found, admin_client):
        image = Image.objects.get(key="gone.jpg")
        assert image.missing_since
        assert "Missing at S3" in admin_client.get("/admin/media_catalog/image/").content.decode()
        shown = admin_client.get(f"/admin/media_catalog/image/{image.pk}/change/").content.decode()
        assert "S3 has no such object any more" in shown
        listed = admin_client.get("/admin/media_catalog/image/?presence=missing").context["cl"].result_list
        assert [image.key for image in listed] == ["gone.jpg"]

    def test_cleared_when_it_is_seen_again(self, found, take, admin_client):
        put(found, "gone.jpg", jpeg())
        take(found, times=1)

        assert JobItem.objects.latest("pk").message.endswith("2 findings are open.")
        assert Image.objects.get(key="gone.jpg").missing_since is None
        assert one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg").state == State.GONE

    def test_with_s3_cut_off_in_the_middle_nothing_is_found(self, originals, store, admin_client, work, settings):
        store(name="a.jpg")
        settings.JOB_ITEM_ATTEMPTS = 1
        cut = (
            b"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"
            b"<NextVersionIdMarker>1</NextVersionIdMarker></ListVersionsResult>"
        )
        for _time in range(2):
            with serving() as server:
                server.script.extend([Answer(body=cut), RESET, RESET, RESET])
                settings.AWS_ENDPOINT_URL = server.url
                forget_clients()
                admin_client.post(page(originals, "take_inventory"))
                work()
                admin_client.post(page(originals, "reconcile"))
                work()
        assert set(JobItem.objects.values_list("code", flat=True)) == {"unavailable", "no_inventory"}
        assert not Finding.objects.exists()
        assert not Image.objects.exclude(missing_since=None).exists()

    def test_looking_costs_no_request(self, found, admin_client, work, cloud):
        mark = cloud.access_log.mark()
        admin_client.post(page(found, "reconcile"))
        work()

        assert JobItem.objects.latest("pk").message == "3 findings are open."
        assert not cloud.access_log.since(mark)


class TestLooksFirst:
    def test_what_is_there_again_is_left_alone(self, found, act):
        put(found, "gone.jpg", jpeg())
        act("delete")

        image = Image.objects.get(key="gone.jpg")
        assert image.missing_since is None
        row = one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg")
        assert (row.state, row.result) == (State.GONE, "S3 has the object.")

    def test_what_has_changed_is_left_alone(self, found, act):
        put(found, "other/new.jpg", b"changed")
        act("delete")

        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert new.state == State.OPEN
        assert "another object under this key by now" in new.result
        assert s3.get_object(found.name, "other/new.jpg").body == b"changed"

    def test_what_the_catalogue_knows_by_now_is_left_alone(self, found, act):
        images(found, ["other/new.jpg"])
        act("delete")

        assert one(Kind.OBJECT_WITHOUT_ROW).state == State.GONE
        assert "other/new.jpg" in keys(found)

    @pytest.mark.parametrize("answer", [RESET, s3_error(503, "SlowDown"), s3_error(403, "AccessDenied")])
    def test_a_fault_is_never_taken_for_absence(self, found, act, settings, answer):
        settings.JOB_ITEM_ATTEMPTS = 1
        with serving() as server:
            server.script.extend([answer] * 40)
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            act("delete")

        assert Image.objects.filter(key="gone.jpg").exists()
        assert one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg").state == State.OPEN
        assert Rendition.objects.filter(preset__slug="low").exists()

    def test_nor_is_a_bucket_that_is_gone(self, found, act):
        Bucket.objects.filter(pk=found.pk).update(name="gone-for-ever-11")
        act("delete")

        assert Image.objects.filter(key="gone.jpg").exists()
        row = one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg")
        assert (row.state, row.result) == (State.OPEN, "The bucket or object no longer exists at S3.")

    def test_a_legal_hold_keeps_the_image(self, found, act):
        Bucket.objects.filter(pk=found.pk).update(legal_hold=True)
        act("delete")

        assert Image.objects.filter(key="gone.jpg").exists()
        assert "legal hold" in one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg").result

    def test_what_is_no_image_is_not_adopted(self, found, act, take):
        put(found, "other/new.jpg", b"no picture")
        take(found, times=1)
        act("adopt")

        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert (new.state, new.result) == (
            State.OPEN,
            "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF.",
        )


class TestPages:
    def test_actions_need_their_permissions(self, client, found, staff_with, act):
        client.force_login(staff_with("view_finding"))
        assert "_selected_action" not in client.get(LIST).content.decode()
        for name, permission in [
            ("adopt", "adopt_objects"),
            ("delete", "delete_found"),
            ("quarantine", "resolve_finding"),
        ]:
            others = {"adopt_objects", "delete_found", "resolve_finding"} - {permission}
            client.force_login(staff_with("view_finding", *others))
            assert act(name, client=client) is None
        assert not Job.objects.exclude(kind="sync_inventory").exists()
        client.force_login(staff_with("browse_objects"))
        assert client.get(LIST).status_code == 403

    def test_the_worker_asks_again_who_may(self, client, found, staff_with, act, work):
        user = staff_with("view_finding", "delete_found", "delete_objects")
        client.force_login(user)
        asked = choose(client, "delete")
        fields = {"selection": asked.context["selection"], "token": asked.context["token"], "confirm": "1"}
        choose(client, "delete", **fields)
        user.user_permissions.clear()
        work()

        assert Job.objects.get(kind="delete_findings").items.get().code == "not_permitted"
        assert "other/new.jpg" in keys(found)

    def test_deletion_needs_the_permission_for_each_kind_of_thing(self, client, found, staff_with, work):
        user = staff_with("view_finding", "delete_found", "delete_objects", "delete_image")
        client.force_login(user)
        asked = choose(client, "delete")
        assert (asked.context["count"], asked.context["left_out"]) == (5, 0)
        fields = {"selection": asked.context["selection"], "token": asked.context["token"], "confirm": "1"}
        choose(client, "delete", **fields)
        user.user_permissions.remove(*user.user_permissions.filter(codename__in=["delete_image", "delete_objects"]))
        work()

        assert Image.objects.filter(key="gone.jpg").exists()
        assert {"other/new.jpg", "unmade.jpg"} <= keys(found)
        assert set(Finding.objects.values_list("state", flat=True)) == {State.OPEN}
        assert one(Kind.OBJECT_WITHOUT_ROW).result == "Who has asked for this may not delete it."
        assert choose(client, "delete").status_code == 302
        address = f"{LIST}{one(Kind.OBJECT_WITHOUT_ROW).pk}/change/"
        assert 'value="delete"' not in client.get(address).content.decode()
        user.user_permissions.add(Permission.objects.get(codename="delete_objects"))
        assert choose(client, "delete").context["left_out"] == 1  # the image

    def test_confirmation_shows_the_cost_and_wants_the_same_selection(self, found, admin_client):
        asked = choose(admin_client, "delete")
        content = asked.content.decode()
        assert "5 findings" in content
        assert "S3 GET" in content or "GET" in content
        again = choose(admin_client, "delete", selection="another", token=asked.context["token"], confirm="1")
        assert "The selection has changed meanwhile" in again.content.decode()
        assert not Job.objects.filter(kind="delete_findings").exists()

    def test_the_same_form_twice_is_one_job(self, found, admin_client):
        asked = choose(admin_client, "quarantine")
        fields = {"selection": asked.context["selection"], "token": asked.context["token"], "confirm": "1"}
        first, second = (choose(admin_client, "quarantine", **fields).url for _time in range(2))
        assert first == second
        assert Job.objects.filter(kind="resolve_findings").count() == 1

    def test_many_must_be_typed_before_they_are_deleted(self, found, act, settings):
        settings.JOB_CONFIRM_ABOVE = 4
        assert act("delete") is None
        assert not Job.objects.filter(kind="delete_findings").exists()
        assert act("delete", typed="5").state == "done"
        job = Job.objects.get(kind="delete_findings")
        assert job.scope == f"Delete: 5 findings of {found} and {found.renditions_bucket}"

    def test_and_before_anything_else_is_done_with_them(self, found, act, settings):
        settings.JOB_CONFIRM_ABOVE = 1
        count = Finding.objects.filter(kind__in=["object", "rendition"]).count()
        assert act("quarantine") is None
        assert not Job.objects.filter(kind="resolve_findings").exists()
        assert act("quarantine", typed=str(count)).state == "done"

    def test_more_than_fit_into_a_request_are_not_dismissed(self, found, admin_client, monkeypatch):
        monkeypatch.setattr(finding_actions, "MOST", 4)
        choose(admin_client, "dismiss")
        assert not Finding.objects.filter(state="dismissed").exists()

    def test_a_limit_refuses_them(self, found, act):
        RequestLimit.objects.update(limit=0)
        assert act("quarantine") is None
        assert not Job.objects.filter(kind="resolve_findings").exists()

    def test_what_does_not_fit_is_left_out(self, found, admin_client):
        asked = choose(admin_client, "recreate")
        assert (asked.context["count"], asked.context["left_out"]) == (1, 4)
        Finding.objects.update(state=State.ONCE, times_seen=1)
        assert choose(admin_client, "recreate").status_code == 302

    def test_one_has_a_page_with_its_evidence_and_actions(self, found, admin_client, cloud):
        mark = cloud.access_log.mark()
        shown = admin_client.get(f"{LIST}{one(Kind.OBJECT_WITHOUT_ROW).pk}/change/").content.decode()
        assert not cloud.access_log.since(mark)
        for text in ("other/new.jpg", "ETag", "Modified", 'value="adopt"', 'value="quarantine"', 'value="delete"'):
            assert text in shown
        assert 'value="recreate"' not in shown

    def test_when_all_agrees_the_list_says_so(self, admin_client, db):
        assert "Catalogue and buckets agree" in admin_client.get(LIST).content.decode()

    def test_odd_keys(self, originals, take, act, admin_client, line_end):
        odd = {"//a/../b.jpg", f"new{line_end}line.jpg", "ÄÖ +%2F😀.jpg", "a" * 1020 + ".jpg", "ü" * 510 + ".jpg"}
        for key in odd:
            put(originals, key, jpeg())
        take(originals)
        assert admin_client.get(LIST).status_code == 200
        act("quarantine")
        assert all(key.startswith("quarantine/") for key in keys(originals))
        act("restore")
        assert keys(originals) == odd
        take(originals)
        act("adopt")
        assert set(Image.objects.values_list("key", flat=True)) == odd
