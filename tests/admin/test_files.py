"""The pages of files: upload, list, download as an attachment, description, deletion."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.admin import file_upload
from media_catalog.aws import listing, s3
from media_catalog.aws import objects as s3_objects
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsDenied, AwsUnavailable, BucketRefused, ObjectRefused
from media_catalog.jobs import sweeps
from media_catalog.models import Bucket, Job, JobItem, Leftover, RequestLimit, StoredFile, TrashedObject, Upload
from media_catalog.services import (
    batches,
    buckets,
    files,
    free_keys,
    names,
    objects,
    removal,
    trash,
    trash_objects,
    trash_restore,
    trash_sweep,
    uploads,
)
from tests.aws.faults import RESET, s3_error, serving
from tests.pictures import upload_file

from .buckets import messages_of, new_bucket, page

LIST = "/admin/media_catalog/storedfile/"
TRASH = "/admin/media_catalog/trashedobject/"
BUTTON = "Move to trash…</button>"
ADD = f"{LIST}add/"
DESCRIPTION = "The yearly report"


@pytest.fixture
def folder(originals) -> Bucket:
    return new_bucket()


def _upload(client, bucket, body=b"content", name="report.pdf", **fields):
    data = {"file": upload_file(body, name), "bucket": bucket.pk, "description": DESCRIPTION, **fields}
    return client.post(ADD, data, follow=True)


def _row(bucket, name="report.txt", **fields) -> StoredFile:
    stored = files.store(
        file=upload_file(b"content", name), name=name, description=DESCRIPTION, bucket=bucket, user=None
    )
    StoredFile.objects.filter(pk=stored.pk).update(**fields)
    stored.refresh_from_db()
    return stored


def _keys(bucket) -> list[str]:
    return [entry.key for entry in listing.list_page(bucket.name).objects]


def _choose(client, chosen, **fields):
    data = {"action": "remove", "_selected_action": [file.pk for file in chosen], **fields}
    return client.post(LIST, data, follow=True)


def _delete(client, chosen, **fields):
    page = _choose(client, chosen)
    shown = {name: page.context[name] for name in ("selection", "token")}
    return _choose(client, chosen, **{**shown, "confirm": "1", **fields})


def _undo_fields(said) -> dict[str, str]:
    return dict(re.findall(r'name="(run|next)" value="([^"]*)"', said))


def _errors(response) -> dict[str, list[str]]:
    return {name: list(errors) for name, errors in response.context["form"].errors.items()}


class TestUpload:
    def test_any_file_is_stored_and_catalogued_with_one_put(self, admin_client, folder, cloud):
        mark = cloud.access_log.mark()

        response = _upload(admin_client, folder)

        file = StoredFile.objects.get()
        assert response.redirect_chain == [(LIST, 302)]
        assert "report.pdf" in messages_of(response)[0]
        assert cloud.access_log.operations(mark) == {"PutObject": 1}
        assert (file.name, file.key, file.size, file.content_type) == ("report.pdf", "report.pdf", 7, "application/pdf")
        assert (file.description, file.uploaded_by.username) == (DESCRIPTION, "admin")
        held = s3.get_object(folder.name, file.key)
        assert (held.body, held.etag, held.content_type) == (b"content", file.etag, "application/pdf")
        assert LogEntry.objects.get(action_flag=ADDITION).object_id == str(file.pk)

    def test_an_empty_file_and_a_large_one_are_fine(self, admin_client, folder):
        _upload(admin_client, folder, b"", "empty.bin")
        large = b"0" * 3 * 1024**2  # to a temporary file, by Django
        _upload(admin_client, folder, large, "large.bin")

        assert list(StoredFile.objects.order_by("size").values_list("size", flat=True)) == [0, len(large)]
        assert s3.get_object(folder.name, "large.bin").body == large

    def test_a_taken_name_gets_a_suffix_whoever_has_it(self, admin_client, folder):
        s3.put_object(folder.name, "report-2.pdf", b"of others", content_type="text/plain")
        for _file in range(3):
            _upload(admin_client, folder)

        assert set(_keys(folder)) == {"report.pdf", "report-2.pdf", "report-3.pdf", "report-4.pdf"}
        assert s3.get_object(folder.name, "report-2.pdf").body == b"of others"

    @pytest.mark.parametrize(
        ("description", "said"),
        [("abc", "at least 4"), ("a" * 81, "at most 80"), ("", "required"), ("   a   ", "at least 4")],
    )
    def test_a_description_has_4_to_80_characters(self, admin_client, folder, cloud, description, said):
        mark = cloud.access_log.mark()

        response = _upload(admin_client, folder, description=description)

        assert said in _errors(response)["description"][0]
        assert not cloud.access_log.since(mark)
        assert not StoredFile.objects.exists()

    @pytest.mark.parametrize("description", ["abcd", "ä" * 80])
    def test_those_at_the_edges_are_taken(self, admin_client, folder, description):
        _upload(admin_client, folder, description=description)
        assert StoredFile.objects.get().description == description

    def test_one_above_the_limit_is_refused_with_both_figures(self, admin_client, folder, cloud, settings):
        settings.FILE_MAX_BYTES = 6
        mark = cloud.access_log.mark()

        response = _upload(admin_client, folder)

        assert _errors(response)["file"] == ["The file has 7\xa0bytes; at most 6\xa0bytes are accepted."]
        assert not cloud.access_log.since(mark)
        assert not Upload.objects.exists()

    def test_only_buckets_that_take_any_file_are_offered(self, admin_client, folder, originals):
        images_only = new_bucket(accepts="images")
        offered = admin_client.get(ADD).context["form"].fields["bucket"].queryset
        assert list(offered) == [folder]

        for bucket in (originals, images_only, originals.renditions_bucket):
            assert "bucket" in _errors(_upload(admin_client, bucket))
        assert not StoredFile.objects.exists()

    def test_without_a_bucket_the_page_says_what_to_do(self, admin_client, originals):
        assert "No bucket for files yet." in admin_client.get(ADD).content.decode()

    def test_odd_names_end_no_header_and_no_line(self, admin_client, folder):
        name = 'a"b\r\nSet-Cookie: x=1\r\n..\\..\\ü😀.html'
        stored = files.store(
            file=upload_file(b"<script>", "x"), name=name, description=DESCRIPTION, bucket=folder, user=None
        )
        assert "\n" not in stored.name
        assert "\r" not in files.disposition(stored)
        assert "\n" not in files.disposition(stored)
        assert ".." not in stored.key
        assert admin_client.get(LIST).status_code == 200

    def test_a_name_that_the_bucket_takes_once(self, admin_client, folder):
        Bucket.objects.filter(pk=folder.pk).update(unique_names=True)
        _upload(admin_client, folder, name="a.txt")
        _upload(admin_client, folder, name="b.txt")
        assert sorted(StoredFile.objects.values_list("name", flat=True)) == ["a.txt", "b.txt"]

        data = {"file": upload_file(b"x", "c.txt"), "bucket": folder.pk, "description": DESCRIPTION}
        response = admin_client.post(ADD, {**data, "name": "a.txt"})
        assert "This name is taken" in _errors(response)["name"][0]
        long = {**data, "file": upload_file(b"x", "c.txt"), "name": "a" * 81}
        assert "at most 80" in _errors(admin_client.post(ADD, long))["name"][0]
        assert StoredFile.objects.count() == len(_keys(folder)) == 2

    def test_s3_away_is_a_sentence_and_leaves_nothing(self, admin_client, folder, settings):
        with serving() as server:
            server.script.extend([s3_error(403, "AccessDenied")] * 5)
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            response = _upload(admin_client, folder)

        assert "AWS denied access" in _errors(response)["__all__"][0]
        assert not StoredFile.objects.exists()

    def test_a_quota_that_is_used_up_refuses(self, admin_client, folder):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        assert "Refused by quota" in _errors(_upload(admin_client, folder))["__all__"][0]
        assert not Upload.objects.filter(status="created").exists()

    def test_a_database_that_fails_is_a_sentence_too(self, admin_client, folder, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(files, "store", _fail)
            assert "the server failed" in _errors(_upload(admin_client, folder))["__all__"][0]
        monkeypatch.setattr(file_upload, "start_sweep", _fail)
        assert "The file is stored, but" in messages_of(_upload(admin_client, folder))[1]

    def test_a_process_that_dies_after_the_put_is_completed_by_the_sweep(self, folder, cloud, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(uploads.arrivals, "record_file", _die)
            with pytest.raises(SystemExit):
                _row(folder)
        assert not StoredFile.objects.exists()
        Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))
        mark = cloud.access_log.mark()

        assert uploads.settle_stale() == []

        assert cloud.access_log.operations(mark) == {"HeadObject": 1}
        file = StoredFile.objects.get()
        assert (file.name, file.description, file.size, file.content_type) == (
            "report.txt",
            DESCRIPTION,
            7,
            "text/plain",
        )
        assert Upload.objects.get().status == "completed"

    def test_one_that_died_before_the_put_is_closed(self, folder):
        facts = {"name": "a.txt", "caption": DESCRIPTION, "sha256": "00" * 32, "is_file": True}
        Upload.objects.create(bucket=folder, key="a.txt", created_at=timezone.now() - timedelta(hours=1), **facts)
        uploads.settle_stale()
        assert Upload.objects.get().error == "never arrived"


class TestList:
    def test_it_is_empty_at_first(self, admin_client, folder):
        page = admin_client.get(LIST).content.decode()
        assert "No files yet." in page
        assert "Download the last one" not in page
        assert admin_client.get(f"{LIST}last/").status_code == 404

    def test_search_and_filters(self, admin_client, folder, originals):
        other = new_bucket()
        _row(folder, "alpha.txt")
        _row(other, "beta.txt", description="A plan for spring", exempt=True)
        for query, found in [
            ("q=alpha", ["alpha.txt"]),
            ("q=spring", ["beta.txt"]),
            ("q=%00", ["beta.txt", "alpha.txt"]),
            (f"bucket__id__exact={folder.pk}", ["alpha.txt"]),
            ("exempt__exact=1", ["beta.txt"]),
            ("q=nothing-like-it", []),
        ]:
            shown = admin_client.get(f"{LIST}?{query}").context["cl"].result_list
            assert [file.name for file in shown] == found, query

    def test_queries_do_not_grow_with_the_rows_and_nothing_is_sent(self, admin_client, folder, cloud):
        counts = []
        mark = cloud.access_log.mark()
        for count in (1, 30):
            StoredFile.objects.all().delete()
            _rows(folder, count)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert len(admin_client.get(f"{LIST}?bucket__id__exact={folder.pk}").context["cl"].result_list) == count
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 20
        assert not cloud.access_log.since(mark)

    def test_pages_keep_the_filter(self, admin_client, folder):
        _rows(folder, 51)
        page = admin_client.get(f"{LIST}?bucket__id__exact={folder.pk}").content.decode()
        assert f"?bucket__id__exact={folder.pk}&amp;p=2" in page

    def test_when_a_file_expires_is_shown(self, admin_client, folder):
        Bucket.objects.filter(pk=folder.pk).update(expire_after=900, keep_newest=2, retention_on=True)
        now = timezone.now()
        for name, age in [("new.txt", 1), ("mid.txt", 165), ("third.txt", 200), ("over.txt", 901)]:
            _row(folder, name, created_at=now - timedelta(seconds=age))

        for address in (LIST, f"{LIST}?bucket__id__exact={folder.pk}"):
            page = admin_client.get(address).content.decode()
            assert "in 14 minutes" in page
            assert "in 12 minutes" in page
            assert page.count("with the next sweep") == (1 if address == LIST else 2)
        assert "The newest 2 are kept. Each is removed 15 minutes after its upload." in page
        change = admin_client.get(f"{LIST}{StoredFile.objects.get(name='mid.txt').pk}/change/").content.decode()
        assert "Expires in 12 minutes" in change


class TestDownload:
    @pytest.mark.parametrize("name", ["page.html", "picture.svg", "report.pdf"])
    def test_it_is_an_attachment_whatever_it_is(self, client, folder, staff_with, name):
        client.force_login(staff_with("view_storedfile"))
        file = _row(folder, name)

        response = client.get(f"{LIST}{file.pk}/download/")

        assert response.status_code == 302
        query = parse_qs(urlsplit(response["Location"]).query)
        assert query["response-content-type"] == ["application/octet-stream"]
        assert query["response-content-disposition"] == [f'attachment; filename="{name}"']
        got = urllib3.request("GET", response["Location"])
        assert got.data == b"content"
        assert got.headers["Content-Disposition"].startswith("attachment")
        assert got.headers["Content-Type"] == "application/octet-stream"

    def test_a_key_that_no_link_carries_is_streamed(self, client, folder, staff_with):
        client.force_login(staff_with("view_storedfile"))
        key = "a//../b"
        s3.put_object(folder.name, key, b"<script>", content_type="text/html")
        file = _row(folder, "x.html", key=key)

        response = client.get(f"{LIST}{file.pk}/download/")

        assert b"".join(response.streaming_content) == b"<script>"
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"] == 'attachment; filename="x.html"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"].startswith("private, no-store")

    def test_one_that_is_gone_or_out_of_reach_is_said(self, admin_client, folder, settings):
        file = _row(folder, "x.html", key="a//b")
        gone = admin_client.get(f"{LIST}{file.pk}/download/", follow=True)
        assert messages_of(gone) == ["The object no longer exists at S3."]
        with serving() as server:
            server.script.extend([RESET] * 10)
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            away = admin_client.get(f"{LIST}{file.pk}/download/", follow=True)
        assert "could not be reached" in messages_of(away)[0]
        assert StoredFile.objects.exists()

    def test_the_last_one_of_all_and_of_a_bucket(self, admin_client, folder):
        other = new_bucket()
        _row(folder, "first.txt", created_at=timezone.now() - timedelta(hours=1))
        _row(other, "last.txt")
        for query, name in [("", "last.txt"), (f"?bucket__id__exact={folder.pk}", "first.txt")]:
            page = admin_client.get(LIST + query).content.decode()
            address = re.search(rf'href="({LIST}last/[^"]*)"', page)[1]
            assert f"/{name}?" in admin_client.get(address)["Location"]

    def test_it_needs_the_permission(self, client, folder, staff_with):
        client.force_login(staff_with("view_image"))
        file = _row(folder)
        for address in (LIST, ADD, f"{LIST}{file.pk}/download/", f"{LIST}last/", f"{LIST}{file.pk}/change/"):
            assert client.get(address).status_code == 403, address


class TestChange:
    def test_one_whose_object_is_missing_opens_and_says_so(self, admin_client, folder):
        file = _row(folder, missing_since=timezone.now())
        assert "missing at S3" in admin_client.get(f"{LIST}{file.pk}/change/").content.decode()

    def test_the_description_with_a_history_entry(self, admin_client, folder):
        file = _row(folder)
        change = f"{LIST}{file.pk}/change/"
        response = admin_client.post(change, {"description": "abc"})
        assert "errornote" in response.content.decode()

        admin_client.post(change, {"description": "Another text"})

        file.refresh_from_db()
        assert file.description == "Another text"
        assert "Description" in LogEntry.objects.latest("pk").get_change_message()

    def test_an_exemption_has_a_permission_of_its_own(self, client, folder, staff_with):
        file = _row(folder)
        change = f"{LIST}{file.pk}/change/"
        client.force_login(staff_with("view_storedfile", "change_storedfile"))
        client.post(change, {"description": DESCRIPTION, "exempt": "on"})
        file.refresh_from_db()
        assert not file.exempt

        client.force_login(staff_with("view_storedfile", "change_storedfile", "exempt_storedfile"))
        client.post(change, {"description": DESCRIPTION, "exempt": "on"})
        file.refresh_from_db()
        assert file.exempt
        assert "Exempt from retention" in LogEntry.objects.latest("pk").get_change_message()


class TestDeletion:
    def test_one_goes_at_once_and_undo_brings_it_back(self, admin_client, folder, cloud):
        file = _row(folder)
        page = _choose(admin_client, [file])
        assert "1 file goes to the trash, 7\xa0bytes" in page.content.decode()
        assert "restored for 30 days" in page.content.decode()
        assert [line.requests for line in page.context["cost_lines"]] == [1]
        assert _keys(folder) == [file.key]
        mark = cloud.access_log.mark()

        response = _delete(admin_client, [file])

        [said] = messages_of(response)
        assert said.startswith("1 object moved to the trash.")
        assert cloud.access_log.operations(mark) == {"CopyObject": 1, "DeleteObject": 1}
        assert not StoredFile.objects.exists()
        for address in ("change/", "download/"):
            assert admin_client.get(f"{LIST}{file.pk}/{address}").status_code in {302, 404}
        [row] = admin_client.get(f"{TRASH}?what=file").context["cl"].result_list
        assert (row.key, row.name, row.file_id, row.trashed_by_name) == (file.key, "report.txt", file.pk, "admin")
        assert _keys(folder) == [row.trash_key]
        entry = LogEntry.objects.latest("pk")
        assert (entry.object_id, entry.change_message) == (str(file.pk), "Moved to the trash.")

        back = admin_client.post(f"{TRASH}undo/", _undo_fields(said), follow=True)

        assert back.request["PATH_INFO"] == LIST
        assert messages_of(back) == ["1 object restored."]
        assert _keys(folder) == ["report.txt"]
        assert s3.get_object(folder.name, "report.txt").body == b"content"
        again = StoredFile.objects.get()
        assert (again, again.name, again.description, again.sha256) == (file, file.name, DESCRIPTION, file.sha256)
        assert not TrashedObject.objects.exists()
        assert not Job.objects.exists()
        assert LogEntry.objects.latest("pk").change_message == "Restored from the trash."

    def test_purged_it_is_gone_for_good(self, admin_client, folder, work):
        _delete(admin_client, [_row(folder), _row(folder, "2.txt")])
        rows = [row.pk for row in TrashedObject.objects.all()]
        data = {"action": "purge", "_selected_action": rows, "select_across": "0"}
        shown = admin_client.post(TRASH, data).context
        admin_client.post(TRASH, {**data, "selection": shown["selection"], "token": shown["token"], "confirm": "1"})
        work()
        assert Job.objects.get().items.get().message == "2 objects purged."
        assert not _keys(folder)
        assert not StoredFile.everything.exists()
        assert not TrashedObject.objects.exists()

    def test_all_of_a_bucket_by_its_button_leaves_those_of_others(self, admin_client, folder, cloud):
        other = new_bucket()
        kept = _row(other)
        for number in range(3):
            _row(folder, f"{number}.txt")
        address = f"{LIST}?bucket__id__exact={folder.pk}"
        page = admin_client.get(address)
        assert "Delete all…" in page.content.decode()
        first = page.context["cl"].result_list[0].pk
        data = {"action": "remove", "select_across": "1", "index": "0", "_selected_action": first}
        shown = admin_client.post(address, data)
        assert shown.context["count"] == 3
        assert "3 files go to the trash" in shown.content.decode()
        confirmed = dict(shown.context["fields"])
        mark = cloud.access_log.mark()

        response = admin_client.post(
            address, {**confirmed, "selection": shown.context["selection"], "confirm": "1"}, follow=True
        )

        assert cloud.access_log.operations(mark) == {"CopyObject": 3, "DeleteObject": 3}
        assert list(StoredFile.objects.all()) == [kept]
        assert all(key.startswith("trash/") for key in _keys(folder))
        assert response.redirect_chain == [(address, 302)]
        back = admin_client.post(f"{TRASH}undo/", _undo_fields(messages_of(response)[0]))
        assert back.url == address
        assert _keys(folder) == ["0.txt", "1.txt", "2.txt"]

    def test_many_go_by_a_job_that_was_estimated_and_can_be_undone(self, admin_client, folder, work, cloud):
        chosen = [_row(folder, f"{number:02}.txt") for number in range(11)]
        later = _row(folder, "later.txt")

        response = _delete(admin_client, chosen)

        job = Job.objects.get()
        address = f"/admin/media_catalog/job/{job.pk}/"
        assert response.redirect_chain[-1][0] == f"{address}change/"
        assert (job.kind, job.estimate, job.scope) == ("remove_files", {"s3_tier1": 11, "free": 11}, "11 files")
        mark = cloud.access_log.mark()
        work()
        assert cloud.access_log.operations(mark) == {"CopyObject": 11, "DeleteObject": 11}
        assert job.items.get().message == "11 objects moved to the trash."
        assert list(StoredFile.objects.all()) == [later]

        offered = {
            action.slug: possible for action, possible in admin_client.get(f"{address}change/").context["actions"]
        }
        assert offered["undo"]
        shown = admin_client.post(f"{address}undo/").context
        admin_client.post(f"{address}undo/", {"selection": shown["selection"], "token": shown["token"], "confirm": "1"})
        work()
        assert Job.objects.get(kind="restore").items.get().message == "11 objects restored."
        assert set(StoredFile.objects.all()) == {*chosen, later}

    def test_a_job_goes_on_in_turns(self, admin_client, folder, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)
        _delete(admin_client, [_row(folder, f"{number}.txt") for number in range(3)])
        for _turn in range(3):
            assert Job.objects.get().state != Job.State.FINISHED
            JobItem.objects.update(not_before=None)
            work()
        item = Job.objects.get().items.get()
        assert (item.state, item.attempts, item.message) == ("done", 1, "3 objects moved to the trash.")
        assert TrashedObject.objects.here().count() == 3

    def test_what_s3_is_too_slow_for_goes_on_as_a_job(self, admin_client, folder, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)
        response = _delete(admin_client, [_row(folder, f"{number}.txt") for number in range(3)])
        job = Job.objects.get()
        assert response.redirect_chain[-1][0].endswith(f"/job/{job.pk}/change/")
        monkeypatch.undo()
        work()
        assert job.items.get().message == "3 objects moved to the trash."
        assert not StoredFile.objects.exists()

    def test_the_same_form_twice_is_one_job(self, admin_client, folder, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        chosen = [_row(folder, f"{number}.txt") for number in range(2)]
        page = _choose(admin_client, chosen)
        shown = {name: page.context[name] for name in ("selection", "token")}
        for _time in range(2):
            _choose(admin_client, chosen, **shown, confirm="1")
        assert Job.objects.count() == 1

    def test_many_must_be_typed(self, admin_client, folder, settings):
        settings.JOB_CONFIRM_ABOVE = 1
        chosen = [_row(folder, f"{number}.txt") for number in range(2)]
        assert "Type the number of files, 2" in messages_of(_delete(admin_client, chosen))[0]
        assert StoredFile.objects.count() == 2
        _delete(admin_client, chosen, typed="2")
        assert not StoredFile.objects.exists()

    def test_another_selection_than_was_shown_is_asked_again(self, admin_client, folder):
        one, two = _row(folder, "1.txt"), _row(folder, "2.txt")
        page = _choose(admin_client, [one])
        response = _choose(admin_client, [one, two], selection=page.context["selection"], confirm="1")
        assert "The selection has changed" in messages_of(response)[0]
        assert StoredFile.objects.count() == 2

    def test_those_under_legal_hold_stay(self, admin_client, folder, work, monkeypatch):
        other = new_bucket()
        held, free = _row(folder), _row(other)
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True)
        assert BUTTON not in admin_client.get(f"{LIST}{held.pk}/change/").content.decode()
        assert BUTTON in admin_client.get(f"{LIST}{free.pk}/change/").content.decode()
        assert "legal hold: they stay" in _choose(admin_client, [held]).content.decode()
        response = _delete(admin_client, [held, free])
        assert messages_of(response)[0].startswith("1 object moved to the trash.")
        assert list(StoredFile.objects.all()) == [held]
        assert _keys(folder) == [held.key]

    def test_a_hold_that_is_set_after_the_confirmation_holds(self, admin_client, folder, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        chosen = [_row(folder, f"{number}.txt") for number in range(2)]
        _delete(admin_client, chosen)
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True)
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.code) == ("failed", "partly")
        assert item.message.startswith(
            "0 objects moved to the trash. 2 could not. The first: 0.txt: The bucket is under"
        )
        assert StoredFile.objects.count() == len(_keys(folder)) == 2

    def test_what_cannot_be_moved_stays_and_is_told(self, admin_client, folder, work, monkeypatch):
        chosen = [_row(folder, f"{number}.txt") for number in range(2)]
        s3.put_object(folder.name, "0.txt", b"theirs", content_type="text/plain", overwrite=True)
        why = "S3 holds another object under this key by now."

        moved, failed = messages_of(_delete(admin_client, chosen))

        assert moved.startswith("1 object moved to the trash.")
        assert failed.startswith(f"<strong>0.txt</strong>: {why}")
        assert list(StoredFile.objects.all()) == chosen[:1]
        assert s3.get_object(folder.name, "0.txt").body == b"theirs"

        monkeypatch.setattr(trash_objects, "AT_ONCE", 0)
        _delete(admin_client, chosen[:1])
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.code) == ("failed", "partly")
        assert f"1 could not: 0.txt: {why}" in item.message
        assert StoredFile.objects.count() == 1

    @pytest.mark.parametrize("at_once", [10, 0])
    def test_one_that_s3_has_no_more_leaves_the_catalogue_and_that_is_told(
        self, admin_client, folder, work, monkeypatch, at_once
    ):
        monkeypatch.setattr(trash_objects, "AT_ONCE", at_once)
        lost, there = _row(folder, "lost.txt"), _row(folder, "there.txt")
        s3.delete_object(folder.name, lost.key)

        response = _delete(admin_client, [lost, there])
        work()

        said = "S3 had no object of 1 any more: it is out of the catalogue for good."
        told = messages_of(response) if at_once else [Job.objects.get().items.get().message]
        assert said in " ".join(told)
        assert list(StoredFile.everything.all()) == [there]
        assert TrashedObject.objects.get().file == there

    def test_s3_away_is_said_and_it_moves_when_it_is_back(self, admin_client, folder, monkeypatch):
        file = _row(folder)
        with monkeypatch.context() as patch:
            patch.setattr(s3_objects, "copy_object", _away)
            assert "could not be reached" in messages_of(_delete(admin_client, [file]))[0]
        TrashedObject.objects.update(next_try_at=timezone.now())
        assert trash_sweep.end_interrupted() == 1
        assert TrashedObject.objects.here().get().file == file

    def test_what_does_not_go_is_said_on_the_confirmation(self, admin_client, folder, settings, monkeypatch):
        chosen = [_row(folder, f"{number}.txt") for number in range(2)]
        with serving() as server:
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            server.script.append(s3_error(403, "AccessDenied"))
            assert "AWS denied access" in messages_of(_delete(admin_client, chosen))[0]
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        assert "does not fit into the quota" in messages_of(_delete(admin_client, chosen))[0]
        settings.JOB_MAX_ITEMS = 1
        assert "at most 1" in messages_of(_choose(admin_client, chosen))[0]
        assert StoredFile.objects.count() == 2

    def test_it_has_a_permission_of_its_own_by_hand_too(self, client, folder, staff_with, work):
        file = _row(folder)
        client.force_login(staff_with("view_storedfile", "change_storedfile"))
        assert BUTTON not in client.get(f"{LIST}{file.pk}/change/").content.decode()
        _choose(client, [file], confirm="1", selection="x")
        assert StoredFile.objects.exists()
        assert client.post(f"{LIST}{file.pk}/delete/", {"post": "yes"}).status_code == 302
        assert StoredFile.objects.exists()
        assert _keys(folder) == [file.key]

    def test_who_deleted_it_may_undo_that_without_another_permission(self, client, folder, staff_with):
        client.force_login(staff_with("view_storedfile", "delete_storedfile"))
        file = _row(folder)
        said = messages_of(_delete(client, [file]))[0]
        client.post(f"{TRASH}undo/", _undo_fields(said))
        assert _keys(folder) == [file.key]

    def test_who_lost_the_permission_meanwhile_gets_nothing_moved(self, client, folder, staff_with, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 0)
        user = staff_with("view_storedfile", "delete_storedfile")
        client.force_login(user)
        _delete(client, [_row(folder)])
        user.user_permissions.clear()
        work()
        assert Job.objects.get().items.get().code == "not_permitted"
        assert StoredFile.objects.count() == 1

    def test_a_job_that_was_killed_between_copy_and_delete_goes_on(self, folder, monkeypatch):
        chosen = [_row(folder, f"{number}.txt").pk for number in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(s3, "delete_exactly", _die)
            with pytest.raises(SystemExit):
                trash_objects.move_files(ids=chosen, run="r", settled=set())
        assert len(_keys(folder)) == 3
        assert StoredFile.objects.count() == 1

        moved = trash_objects.move_files(ids=chosen, run="r", settled=set())

        assert (moved.count, moved.failed, moved.done) == (2, [], True)
        assert not StoredFile.objects.exists()
        assert set(_keys(folder)) == {row.trash_key for row in TrashedObject.objects.here()}


class TestRestoring:
    def test_under_a_taken_key_and_name_it_gets_others(self, admin_client, folder):
        first = _row(folder)
        second = _row(folder, "other.txt")
        response = _delete(admin_client, [first, second])
        _row(folder)
        s3.put_object(folder.name, "report-2.txt", b"theirs", content_type="text/plain")
        names.set_unique(folder, unique=True)

        said = messages_of(admin_client.post(f"{TRASH}undo/", _undo_fields(messages_of(response)[0]), follow=True))

        assert "2 objects restored." in said
        assert "“report.txt” is “report-3.txt” now: its key was taken." in said
        assert "“report.txt” is called “report.txt (2)” now: names in its bucket are unique." in said
        first.refresh_from_db()
        assert (first.key, first.name, first.unique_name, first.description) == (
            "report-3.txt",
            "report.txt (2)",
            True,
            DESCRIPTION,
        )
        second.refresh_from_db()
        assert (second.key, second.name, second.unique_name) == ("other.txt", "other.txt", True)
        assert set(_keys(folder)) == {"report.txt", "report-2.txt", "report-3.txt", "other.txt"}

    def test_what_the_rule_would_remove_at_once_stays_and_that_is_said(self, admin_client, folder, work):
        old = _row(folder, created_at=timezone.now() - timedelta(days=2))
        young = _row(folder, "young.txt")
        response = _delete(admin_client, [old, young])
        Bucket.objects.filter(pk=folder.pk).update(expire_after=3600, retention_on=True)
        rows = {"action": "restore", "_selected_action": [row.pk for row in TrashedObject.objects.all()]}
        assert "comes back exempt from it" in admin_client.post(TRASH, rows).content.decode()

        said = messages_of(admin_client.post(f"{TRASH}undo/", _undo_fields(messages_of(response)[0]), follow=True))

        assert "1 is exempt from the retention rule of its bucket, so that it stays." in said
        assert list(StoredFile.objects.filter(exempt=True)) == [old]
        assert not sweeps.start_sweeps()
        assert len(_keys(folder)) == 2

    def test_a_name_that_is_taken_at_that_very_moment(self, folder, monkeypatch):
        """Asked, the name was free; then somebody has committed it."""
        names.set_unique(folder, unique=True)
        file = _row(folder)
        trashed = trash.move_file(file=file)
        _row_named(folder, "report.txt")
        free, todo = names.free, ["report.txt"]
        monkeypatch.setattr(names, "free", lambda *asked: todo.pop() if todo else free(*asked))

        assert trash_restore.restore(pk=trashed.pk) == "report.txt"

        file.refresh_from_db()
        assert file.trashed_at is None
        assert file.name == "report.txt (2)"
        assert _keys(folder) == ["report.txt"]

    def test_what_is_in_the_trash_hinders_no_name(self, folder):
        long = _row(folder, "long.txt")
        StoredFile.objects.filter(pk=long.pk).update(name="x" * 81)
        one, same = _row(folder, "1.txt"), _row(folder, "2.txt")
        StoredFile.objects.filter(pk__in=[one.pk, same.pk]).update(name="same")
        rows = {file: trash.move_file(file=file) for file in (long, one)}
        assert names.are_unique(folder)
        names.set_unique(folder, unique=True)

        for row in rows.values():
            trash_restore.restore(pk=row.pk)

        for file in (long, one, same):
            file.refresh_from_db()
            assert file.unique_name
        assert (long.name, one.name, same.name) == ("x" * 80, "same (2)", "same")

    def test_a_move_that_is_undone_takes_the_names_of_its_bucket(self, folder, monkeypatch):
        file = _row(folder)

        def asks_for_names_meanwhile(*args, **options):
            names.set_unique(folder, unique=True)
            raise AwsDenied("no")

        monkeypatch.setattr(s3_objects, "copy_object", asks_for_names_meanwhile)
        with pytest.raises(AwsDenied):
            trash.move_file(file=file)
        file.refresh_from_db()
        assert (file.trashed_at, file.unique_name, file.name) == (None, True, "report.txt")
        assert not TrashedObject.objects.exists()

    @pytest.mark.parametrize("by", ["repeat", "sweep"])
    def test_killed_between_copy_and_delete_it_is_ended(self, folder, monkeypatch, by):
        file = _row(folder)
        with monkeypatch.context() as patch:
            patch.setattr(s3, "delete_exactly", _die)
            with pytest.raises(SystemExit):
                trash.move_file(file=file)
        assert len(_keys(folder)) == 2
        if by == "repeat":
            trash.move_file(file=file)
        else:
            TrashedObject.objects.update(next_try_at=timezone.now())
            assert trash_sweep.end_interrupted() == 1
        trashed = TrashedObject.objects.here().get()
        assert _keys(folder) == [trashed.trash_key]

        with monkeypatch.context() as patch:
            patch.setattr(trash_restore.names, "bring_back", _die)
            with pytest.raises(SystemExit):
                trash_restore.restore(pk=trashed.pk)
        TrashedObject.objects.update(next_try_at=timezone.now())
        assert trash_sweep.end_interrupted() == 1
        assert StoredFile.objects.get() == file
        assert _keys(folder) == [file.key]

    def test_its_key_and_its_name_are_free_meanwhile(self, admin_client, folder):
        names.set_unique(folder, unique=True)
        _delete(admin_client, [_row(folder)])
        _upload(admin_client, folder, name="report.txt")
        assert StoredFile.objects.get().key == "report.txt"

    def test_the_retention_rule_leaves_the_trash_alone(self, folder, monkeypatch):
        """Its batch is read, then the file goes to the trash, then its rows are deleted."""
        file = _row(folder)
        delete_keys = batches._delete_keys

        def meanwhile(bucket, keys):
            trash.move_file(file=file)
            return delete_keys(bucket, keys)

        monkeypatch.setattr(batches, "_delete_keys", meanwhile)
        batches.delete(folder, [file])

        assert _keys(folder) == [TrashedObject.objects.here().get().trash_key]
        assert StoredFile.everything.get() == file

    def test_the_retention_rule_leaves_what_came_back_elsewhere(self, folder, monkeypatch):
        file = _row(folder)
        delete_keys = batches._delete_keys

        def meanwhile(bucket, keys):
            row = trash.move_file(file=file)
            s3.put_object(folder.name, file.key, b"theirs", content_type="text/plain")
            trash_restore.restore(pk=row.pk)
            return delete_keys(bucket, keys)

        monkeypatch.setattr(batches, "_delete_keys", meanwhile)
        batches.delete(folder, [file])

        [key] = _keys(folder)
        assert key != file.key
        assert StoredFile.objects.get().key == key


class TestElsewhere:
    def test_the_browser_of_objects_knows_files_and_leaves_them_alone(self, admin_client, folder):
        file = _row(folder)
        assert "File" in admin_client.get(page(folder, "objects")).content.decode()
        assert DESCRIPTION in admin_client.get(page(folder, "object", key=file.key)).content.decode()

        data = {"keys": file.key, "confirm": "1"}
        response = admin_client.post(page(folder, "remove"), data, follow=True)

        assert "This is a file of the catalogue" in messages_of(response)[0]
        assert _keys(folder) == [file.key]
        with pytest.raises(ObjectRefused, match="catalogued_file"):
            objects.move(folder, file.key, to_bucket=folder, to_key="other.txt")

    def test_a_bucket_with_files_in_the_trash_keeps_its_role_and_goes_with_them(self, admin_client, folder, work):
        _delete(admin_client, [_row(folder)])
        with pytest.raises(BucketRefused, match="has_files"):
            buckets.assign(folder, role="static", accepts="any", partner=None)
        deletion = page(folder, "delete")
        assert admin_client.get(deletion).context["trashed"] == 1
        admin_client.post(deletion, {"delete": "1"})
        assert Bucket.objects.filter(pk=folder.pk).exists()

        admin_client.post(page(folder, "take_inventory"))
        work()
        admin_client.post(deletion, {"empty": "1", "name": folder.name})
        work()

        assert not StoredFile.everything.exists()
        assert not TrashedObject.objects.exists()
        assert not Bucket.objects.filter(pk=folder.pk).exists()

    def test_a_bucket_with_files_keeps_its_role_and_is_deleted_with_them_alone(self, admin_client, folder, work):
        _row(folder)
        with pytest.raises(BucketRefused, match="has_files"):
            buckets.assign(folder, role="static", accepts="any", partner=None)
        deletion = page(folder, "delete")
        assert messages_of(admin_client.post(deletion, {"delete": "1"})) == ["The catalogue has files in it (1)."]

        admin_client.post(page(folder, "take_inventory"))
        work()
        admin_client.post(deletion, {"empty": "1", "name": folder.name})
        work()

        assert not StoredFile.objects.exists()
        assert not Bucket.objects.filter(pk=folder.pk).exists()

    def test_a_key_of_a_file_is_not_free_for_others(self, admin_client, folder):
        file = _row(folder)
        facts = {"name": "x", "user": None}
        saved = free_keys.save([Upload(bucket=folder, **facts)], [file.key])
        assert saved[0].key == "report-2.txt"
        leftover = Leftover.objects.create(bucket=folder, key=file.key)
        assert removal.discard(leftover=leftover)
        assert _keys(folder) == [file.key]


def _rows(bucket, count) -> None:
    facts = {"bucket": bucket, "etag": "e", "size": 1, "content_type": "text/plain", "description": DESCRIPTION}
    StoredFile.objects.bulk_create(StoredFile(key=f"{n}.txt", name=f"{n}.txt", **facts) for n in range(count))


def _fail(*args, **options):
    raise DatabaseError


def _die(*args, **options):
    raise SystemExit


def _away(*args, **options):
    raise AwsUnavailable("no answer")


def _row_named(bucket, name) -> None:
    facts = {"bucket": bucket, "etag": "e", "size": 1, "content_type": "text/plain", "description": DESCRIPTION}
    StoredFile.objects.create(key=f"of {name}", name=name, unique_name=True, **facts)
