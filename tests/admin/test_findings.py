"""Findings: from real buckets to their pages and to what staff do about them, each time after a look at S3."""

import secrets
from datetime import timedelta
from hashlib import sha256

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone

from media_catalog.aws import listing, s3
from media_catalog.aws import objects as s3_objects
from media_catalog.aws.client import forget_clients
from media_catalog.models import (
    Bucket,
    Finding,
    Image,
    Job,
    JobItem,
    Leftover,
    Preset,
    Rendition,
    RequestLimit,
    StoredFile,
    TrashedObject,
    Upload,
)
from media_catalog.services import arrivals, direct_uploads, inventory, reconcile
from media_catalog.services import renditions as making
from tests.aws.faults import RESET, Answer, s3_error, serving
from tests.pictures import jpeg
from tests.reconciling import images, uploads

from .buckets import messages_of, new_bucket, page, put

pytestmark = pytest.mark.database

LIST = "/admin/media_catalog/finding/"
Kind, State = Finding.Kind, Finding.State


@pytest.fixture
def take(admin_client, work):
    """Takes inventories of these buckets through their pages, twice as nothing else is said."""

    def _take(*buckets: Bucket, times: int = 2) -> None:
        for _time in range(times):
            for bucket in buckets:
                admin_client.post(page(bucket, "take_inventory"))
                work()

    return _take


@pytest.fixture
def act(admin_client, work):
    """Confirms an action on all findings that the list shows and has it done; the item of its job."""

    def _act(action: str, *, client=admin_client, **more: str) -> JobItem | None:
        asked = choose(client, action)
        if asked.context is None or "selection" not in asked.context:
            return None
        fields = dict(selection=asked.context["selection"], token=asked.context["token"], confirm="1", **more)
        done = choose(client, action, **fields)
        if done.status_code != 302:
            return None
        work()
        return Job.objects.latest("pk").items.get()

    return _act


def choose(client, action: str, **data: str):
    ids = list(Finding.objects.values_list("pk", flat=True))
    return client.post(f"{LIST}?state=all", {"action": action, "_selected_action": ids, **data})


@pytest.fixture
def found(originals, store, take) -> Bucket:
    """One of each kind, open, in a bucket for originals and in that of its renditions."""
    gone, unmade = store(name="gone.jpg"), store(name="unmade.jpg")
    making.make_one(image=unmade, preset=Preset.objects.get(slug="low"))
    making.make_one(image=unmade, preset=Preset.objects.get(slug="thumbnail"))
    renditions = originals.renditions_bucket
    assert renditions
    for image in (gone, unmade):
        Image.objects.filter(pk=image.pk).update(created_at=timezone.now() - timedelta(days=1))
    s3.delete_object(originals.name, gone.key)
    put(originals, "other/new.jpg", jpeg())
    put(renditions, "low/orphan.jpg", b"pixels")
    lost = unmade.renditions.get(preset__slug="low")
    s3.delete_object(renditions.name, lost.key)
    uploads(originals, ["stale.jpg"])
    for bucket in (originals, renditions, originals, renditions):
        inventory.sync(bucket, run=secrets.token_hex(8))
        reconcile.reconcile(bucket)
    return originals


def one(kind: Kind, **conditions: object) -> Finding:
    return Finding.objects.get(kind=kind, **conditions)


def _cut_off(*_args: object, **_more: object) -> None:
    raise RuntimeError


def keys(bucket: Bucket) -> set[str]:
    return {entry.key for entry in listing.list_page(bucket.name).objects}


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


class TestActing:
    def test_adopt_catalogues_objects_and_settles_uploads(self, found, act, cloud):
        mark = cloud.access_log.mark()
        item = act("adopt")

        assert item.state == "done"
        assert Image.objects.filter(bucket=found, key="other/new.jpg").exists()
        assert Upload.objects.get(key="stale.jpg").status == "failed"  # nothing had come
        adopted = one(Kind.OBJECT_WITHOUT_ROW)
        assert (adopted.state, adopted.action, adopted.acted_by) == (State.RESOLVED, "adopt", "admin")
        sent = cloud.access_log.operations(mark)
        assert sent == {"HeadObject": 2, "GetObject": 1}
        assert item.job.estimate["s3_tier2"] >= 3
        assert LogEntry.objects.filter(change_message__contains="Adopt what was found").exists()

    def test_recreate_makes_the_rendition_again(self, found, act):
        lost = one(Kind.ROW_WITHOUT_OBJECT, rendition__isnull=False)
        item = act("recreate")

        assert item.state == "done"
        rendition = Rendition.objects.get(pk=lost.rendition_id)
        assert s3.head_object(rendition.bucket.name, rendition.key)
        lost.refresh_from_db()
        assert (lost.state, lost.result) == (State.RESOLVED, "Made again.")
        assert one(Kind.ROW_WITHOUT_OBJECT, key="gone.jpg").state == State.OPEN

    def test_quarantine_and_back(self, found, act, take):
        renditions = found.renditions_bucket
        item = act("quarantine")

        assert item.message == "2 findings resolved."
        new, orphan = one(Kind.OBJECT_WITHOUT_ROW), one(Kind.RENDITION_WITHOUT_ORIGINAL)
        assert new.quarantine_key == f"quarantine/{new.pk}/other/new.jpg"
        assert f"quarantine/{new.pk}/other/new.jpg" in keys(found)
        assert "other/new.jpg" not in keys(found)
        assert f"quarantine/{orphan.pk}/low/orphan.jpg" in keys(renditions)
        take(found, renditions)
        live = Finding.objects.live().filter(kind__in=[Kind.OBJECT_WITHOUT_ROW, Kind.RENDITION_WITHOUT_ORIGINAL])
        assert not live.exists()

        act("restore")
        assert "other/new.jpg" in keys(found)
        assert "low/orphan.jpg" in keys(renditions)
        new.refresh_from_db()
        assert (new.state, new.action) == (State.RESOLVED, "restore")

    def test_nothing_is_put_back_over_another(self, found, act):
        act("quarantine")
        put(found, "other/new.jpg", b"another, of another size")
        act("restore")

        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert new.result == "An object with this key exists already."
        assert new.quarantine_key in keys(found)
        assert s3.get_object(found.name, "other/new.jpg").body == b"another, of another size"

    def test_nor_over_another_of_the_same_size(self, found, act):
        act("quarantine")
        put(found, "other/new.jpg", b"x" * len(jpeg()))
        act("restore")

        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert new.result == "An object with this key exists already."
        assert s3.get_object(found.name, new.quarantine_key).body == jpeg()
        assert s3.get_object(found.name, "other/new.jpg").body == b"x" * len(jpeg())

    def test_nor_where_something_is_on_its_way(self, found, act):
        act("quarantine")
        new, orphan = one(Kind.OBJECT_WITHOUT_ROW), one(Kind.RENDITION_WITHOUT_ORIGINAL)
        uploads(found, ["other/new.jpg"])
        Leftover.objects.create(bucket=orphan.bucket, key=orphan.key)
        act("restore")

        assert "An upload is under way" in one(Kind.OBJECT_WITHOUT_ROW).result
        assert one(Kind.RENDITION_WITHOUT_ORIGINAL).result == "An object with this key exists already."
        assert new.quarantine_key in keys(found)
        assert orphan.quarantine_key in keys(orphan.bucket)

    def test_what_is_written_while_it_moves_stays(self, found, act, monkeypatch):
        copy = s3_objects.copy_object

        def slowly(bucket, key, **rest):
            etag = copy(bucket, key, **rest)
            if key == "other/new.jpg":
                put(found, key, b"newer")
            return etag

        monkeypatch.setattr(s3_objects, "copy_object", slowly)
        act("quarantine")

        assert s3.get_object(found.name, "other/new.jpg").body == b"newer"
        assert one(Kind.OBJECT_WITHOUT_ROW).state == State.OPEN

    def test_nothing_moves_under_legal_hold(self, found, act):
        Bucket.objects.filter(pk=found.pk).update(legal_hold=True)
        act("quarantine")
        assert "legal hold" in one(Kind.OBJECT_WITHOUT_ROW).result
        assert "other/new.jpg" in keys(found)

        Bucket.objects.filter(pk=found.pk).update(legal_hold=False)
        act("quarantine")
        Bucket.objects.filter(pk=found.pk).update(legal_hold=True)
        act("restore")
        assert "legal hold" in one(Kind.OBJECT_WITHOUT_ROW).result
        assert "other/new.jpg" not in keys(found)

    @pytest.mark.parametrize("again", ["quarantine", "delete", "adopt"])
    def test_a_move_to_quarantine_that_was_cut_off_at_its_end(self, found, act, monkeypatch, again):
        with monkeypatch.context() as cut:
            cut.setattr(inventory, "forget", _cut_off)
            act("quarantine")
        new = one(Kind.OBJECT_WITHOUT_ROW)
        assert (new.state, "other/new.jpg" in keys(found)) == (State.OPEN, False)
        act(again)

        new.refresh_from_db()
        assert (new.state, new.action, new.result) == (State.RESOLVED, "quarantine", "Moved to quarantine.")
        act("restore")
        assert "other/new.jpg" in keys(found)

    def test_a_way_back_that_was_cut_off_at_its_end(self, found, act):
        act("quarantine")
        Finding.objects.exclude(kind=Kind.OBJECT_WITHOUT_ROW).delete()
        new = one(Kind.OBJECT_WITHOUT_ROW)
        act("restore")
        Finding.objects.filter(pk=new.pk).update(action="quarantine")
        act("restore")

        new.refresh_from_db()
        assert new.action == "restore"
        assert new.result.startswith("Put back.")

    def test_delete_takes_objects_rows_and_uploads(self, found, act):
        stale = put(found, "stale.jpg", b"half")
        assert stale
        item = act("delete")

        assert item.message == "5 findings resolved."
        assert "other/new.jpg" not in keys(found)
        assert "low/orphan.jpg" not in keys(found.renditions_bucket)
        assert not Image.objects.filter(key="gone.jpg").exists()
        assert not Rendition.objects.filter(preset__slug="low").exists()
        assert Image.objects.filter(key="unmade.jpg").exists()
        assert Upload.objects.get(key="stale.jpg").status == "failed"
        assert set(Finding.objects.values_list("state", flat=True)) == {State.RESOLVED}

    def test_dismiss_and_reopen(self, found, admin_client):
        choose(admin_client, "dismiss")
        assert "5 findings changed." in messages_of(admin_client.get(LIST))
        assert set(Finding.objects.values_list("state", flat=True)) == {State.DISMISSED}
        assert not admin_client.get(LIST).context["cl"].result_count
        choose(admin_client, "reopen")
        assert set(Finding.objects.values_list("state", "acted_by")) == {(State.OPEN, "admin")}


class TestStaleUploads:
    @pytest.fixture
    def direct(self, originals, take) -> Upload:
        """One by a form that ran out long ago, whose object has come, found as stale."""
        past = timezone.now() - timedelta(days=2)
        put(originals, "late.jpg", jpeg(), "image/jpeg")
        [upload] = uploads(originals, ["late.jpg"], expires_at=past, created_at=past)
        take(originals)
        Finding.objects.exclude(kind=Kind.STALE_UPLOAD).delete()
        return upload

    def test_one_that_is_being_confirmed_is_not_deleted(self, direct, act, monkeypatch):
        """Between the GET of the confirmation and its row."""
        record, seen = arrivals.record, []

        def slowly(**facts):
            monkeypatch.setattr(arrivals, "record", record)
            act("delete")
            seen.append(Finding.objects.get().result)
            return record(**facts)

        monkeypatch.setattr(arrivals, "record", slowly)
        direct_uploads.confirm(upload=direct)

        assert seen == ["An upload is under way under this key."]
        assert direct.status == Upload.Status.COMPLETED
        assert s3.head_object(direct.bucket.name, "late.jpg")
        act("delete")
        assert Finding.objects.get().state == State.GONE
        assert s3.head_object(direct.bucket.name, "late.jpg")

    def test_nor_is_one_that_a_sweep_has_just_begun_with(self, direct, act):
        now = timezone.now()
        assert Upload.objects.overdue(now).put_off(direct, now)
        act("delete")
        assert Finding.objects.get().state == State.OPEN
        assert s3.head_object(direct.bucket.name, "late.jpg")

    def test_one_that_the_sweep_has_put_off_is(self, direct, act):
        Upload.objects.update(tries=3, next_try_at=timezone.now() + timedelta(minutes=30))
        act("delete")
        assert Finding.objects.get().state == State.RESOLVED
        direct.refresh_from_db()
        assert (direct.status, direct.error) == ("failed", "given up by staff")
        assert s3.head_object(direct.bucket.name, "late.jpg") is None

    def test_a_file_that_had_come_is_said_to_be_catalogued(self, originals, take, act):
        bucket, body = new_bucket(), b"the whole file"
        s3.put_object(bucket.name, "a.txt", body, content_type="text/plain", sha256=sha256(body).digest())
        uploads(bucket, ["a.txt"], is_file=True, caption="A file", sha256=sha256(body).hexdigest())
        take(bucket)
        act("adopt")
        assert StoredFile.objects.filter(key="a.txt").exists()
        assert one(Kind.STALE_UPLOAD).result == "Catalogued, and the upload closed."


class TestFiles:
    """Rows of files without their objects, in a general bucket."""

    @pytest.fixture
    def folder(self, originals, take) -> Bucket:
        bucket = new_bucket()
        for key in ("there.txt", "gone.txt"):
            etag = put(bucket, key)
            facts = {"bucket": bucket, "key": key, "name": key, "etag": etag, "size": 7, "description": "A file"}
            StoredFile.objects.create(**facts, created_at=timezone.now() - timedelta(days=1))
        s3.delete_object(bucket.name, "gone.txt")
        take(bucket)
        return bucket

    def test_one_without_an_object_loses_its_row(self, folder, act, cloud):
        finding = Finding.objects.get()
        assert (finding.kind, finding.key, finding.state) == (Kind.ROW_WITHOUT_OBJECT, "gone.txt", State.OPEN)

        item = act("delete")

        assert item.state == JobItem.State.DONE
        finding.refresh_from_db()
        assert (finding.state, finding.result) == (State.RESOLVED, "The file is out of the catalogue.")
        assert list(StoredFile.everything.values_list("key", flat=True)) == ["there.txt"]
        assert not TrashedObject.objects.exists()
        assert keys(folder) == {"there.txt"}

    def test_an_object_of_a_general_bucket_cannot_be_adopted(self, folder, take, admin_client):
        put(folder, "new.txt")
        take(folder)
        finding = one(Kind.OBJECT_WITHOUT_ROW)
        shown = admin_client.get(f"{LIST}{finding.pk}/change/").content.decode()
        assert 'value="adopt"' not in shown
        assert 'value="quarantine"' in shown

    def test_one_whose_object_is_back_stays(self, folder, act):
        put(folder, "gone.txt")
        act("delete")
        assert (Finding.objects.get().state, Finding.objects.get().result) == (State.GONE, "S3 has the object.")
        assert StoredFile.objects.count() == 2

    def test_a_legal_hold_keeps_the_row(self, folder, act):
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True)
        act("delete")
        finding = Finding.objects.get()
        assert finding.state == State.OPEN
        assert "legal hold" in finding.result
        assert StoredFile.objects.count() == 2

    def test_one_that_has_gone_from_the_catalogue_meanwhile(self, folder, act):
        StoredFile.objects.filter(key="gone.txt").delete()
        act("delete")
        finding = Finding.objects.get()
        assert (finding.state, finding.result) == (State.GONE, "The file is not in the catalogue any more.")


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
        assert (new.state, new.result) == (State.OPEN, "This is not an image.")


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

    def test_a_limit_refuses_them(self, found, act):
        RequestLimit.objects.update(limit=0)
        assert act("quarantine") is None
        assert not Job.objects.filter(kind="resolve_findings").exists()

    def test_what_does_not_fit_is_left_out(self, found, admin_client):
        asked = choose(admin_client, "recreate")
        assert (asked.context["count"], asked.context["left_out"]) == (1, 4)
        Finding.objects.update(state=State.ONCE)
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
        odd = {"//a/../b.jpg", f"new{line_end}line.jpg", "ÄÖ +%2F😀.jpg", "a" * 1000 + ".jpg"}
        for key in odd:
            put(originals, key, jpeg())
        take(originals)
        assert admin_client.get(LIST).status_code == 200
        act("quarantine")
        act("restore")
        assert keys(originals) >= odd
        take(originals)
        act("adopt")
        assert set(Image.objects.values_list("key", flat=True)) == odd
