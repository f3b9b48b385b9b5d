"""The pages of files: upload, list, download as an attachment, description."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.admin import file_upload
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, RequestLimit, StoredFile, Upload
from media_catalog.services import (
    files,
    uploads,
)
from tests.aws.faults import RESET, s3_error, serving
from tests.pictures import upload_file

from .buckets import messages_of, new_bucket
from .filing import ADD, DESCRIPTION, LIST, die, errors_of, fail, folder, keys_of, many_files, send, stored_file

__all__ = ["folder"]


class TestUpload:
    def test_any_file_is_stored_and_catalogued_with_one_put(self, admin_client, folder, cloud):
        mark = cloud.access_log.mark()

        response = send(admin_client, folder)

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
        send(admin_client, folder, b"", "empty.bin")
        large = b"0" * 3 * 1024**2  # to a temporary file, by Django
        send(admin_client, folder, large, "large.bin")

        assert list(StoredFile.objects.order_by("size").values_list("size", flat=True)) == [0, len(large)]
        assert s3.get_object(folder.name, "large.bin").body == large

    def test_a_taken_name_gets_a_suffix_whoever_has_it(self, admin_client, folder):
        s3.put_object(folder.name, "report-2.pdf", b"of others", content_type="text/plain")
        for _file in range(3):
            send(admin_client, folder)

        assert set(keys_of(folder)) == {"report.pdf", "report-2.pdf", "report-3.pdf", "report-4.pdf"}
        assert s3.get_object(folder.name, "report-2.pdf").body == b"of others"

    @pytest.mark.parametrize(
        ("description", "said"),
        [("abc", "at least 4"), ("a" * 81, "at most 80"), ("", "required"), ("   a   ", "at least 4")],
    )
    def test_a_description_has_4_to_80_characters(self, admin_client, folder, cloud, description, said):
        mark = cloud.access_log.mark()

        response = send(admin_client, folder, description=description)

        assert said in errors_of(response)["description"][0]
        assert not cloud.access_log.since(mark)
        assert not StoredFile.objects.exists()

    @pytest.mark.parametrize("description", ["abcd", "ä" * 80])
    def test_those_at_the_edges_are_taken(self, admin_client, folder, description):
        send(admin_client, folder, description=description)
        assert StoredFile.objects.get().description == description

    def test_one_above_the_limit_is_refused_with_both_figures(self, admin_client, folder, cloud, settings):
        settings.FILE_MAX_BYTES = 6
        mark = cloud.access_log.mark()

        response = send(admin_client, folder)

        assert errors_of(response)["file"] == ["The file has 7\xa0bytes; at most 6\xa0bytes are accepted."]
        assert not cloud.access_log.since(mark)
        assert not Upload.objects.exists()

    def test_only_buckets_that_take_any_file_are_offered(self, admin_client, folder, originals):
        images_only = new_bucket(accepts="images")
        offered = admin_client.get(ADD).context["form"].fields["bucket"].queryset
        assert list(offered) == [folder]

        for bucket in (originals, images_only, originals.renditions_bucket):
            assert "bucket" in errors_of(send(admin_client, bucket))
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
        send(admin_client, folder, name="a.txt")
        send(admin_client, folder, name="b.txt")
        assert sorted(StoredFile.objects.values_list("name", flat=True)) == ["a.txt", "b.txt"]

        data = {"file": upload_file(b"x", "c.txt"), "bucket": folder.pk, "description": DESCRIPTION}
        response = admin_client.post(ADD, {**data, "name": "a.txt"})
        assert "This name is taken" in errors_of(response)["name"][0]
        long = {**data, "file": upload_file(b"x", "c.txt"), "name": "a" * 81}
        assert "at most 80" in errors_of(admin_client.post(ADD, long))["name"][0]
        assert StoredFile.objects.count() == len(keys_of(folder)) == 2

    def test_s3_away_is_a_sentence_and_leaves_nothing(self, admin_client, folder, settings):
        with serving() as server:
            server.script.extend([s3_error(403, "AccessDenied")] * 5)
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            response = send(admin_client, folder)

        assert "AWS denied access" in errors_of(response)["__all__"][0]
        assert not StoredFile.objects.exists()

    def test_a_quota_that_is_used_up_refuses(self, admin_client, folder):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        assert "Refused by quota" in errors_of(send(admin_client, folder))["__all__"][0]
        assert not Upload.objects.filter(status="created").exists()

    def test_a_database_that_fails_is_a_sentence_too(self, admin_client, folder, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(files, "store", fail)
            assert "the server failed" in errors_of(send(admin_client, folder))["__all__"][0]
        monkeypatch.setattr(file_upload, "start_sweep", fail)
        assert "The file is stored, but" in messages_of(send(admin_client, folder))[1]

    def test_a_process_that_dies_after_the_put_is_completed_by_the_sweep(self, folder, cloud, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(uploads.arrivals, "record_file", die)
            with pytest.raises(SystemExit):
                stored_file(folder)
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
        stored_file(folder, "alpha.txt")
        stored_file(other, "beta.txt", description="A plan for spring", exempt=True)
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
            many_files(folder, count)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert len(admin_client.get(f"{LIST}?bucket__id__exact={folder.pk}").context["cl"].result_list) == count
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 20
        assert not cloud.access_log.since(mark)

    def test_pages_keep_the_filter(self, admin_client, folder):
        many_files(folder, 51)
        page = admin_client.get(f"{LIST}?bucket__id__exact={folder.pk}").content.decode()
        assert f"?bucket__id__exact={folder.pk}&amp;p=2" in page

    def test_when_a_file_expires_is_shown(self, admin_client, folder):
        Bucket.objects.filter(pk=folder.pk).update(expire_after=900, keep_newest=2, retention_on=True)
        now = timezone.now()
        for name, age in [("new.txt", 1), ("mid.txt", 165), ("third.txt", 200), ("over.txt", 901)]:
            stored_file(folder, name, created_at=now - timedelta(seconds=age))

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
    def test_it_is_saved_under_its_name_and_never_guessed_whatever_it_is(self, client, folder, staff_with, name):
        client.force_login(staff_with("view_storedfile"))
        file = stored_file(folder, name)

        response = client.get(f"{LIST}{file.pk}/download/")

        assert b"".join(response.streaming_content) == b"content"
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
        assert response["X-Content-Type-Options"] == "nosniff"

    def test_one_that_is_gone_or_out_of_reach_is_said(self, admin_client, folder, settings):
        file = stored_file(folder, "x.html", key="a//b")
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
        stored_file(folder, "first.txt", created_at=timezone.now() - timedelta(hours=1))
        stored_file(other, "last.txt")
        for query, name in [("", "last.txt"), (f"?bucket__id__exact={folder.pk}", "first.txt")]:
            page = admin_client.get(LIST + query).content.decode()
            address = re.search(rf'href="({LIST}last/[^"]*)"', page)[1]
            assert f'"{name}"' in admin_client.get(address)["Content-Disposition"]

    def test_it_needs_the_permission(self, client, folder, staff_with):
        client.force_login(staff_with("view_image"))
        file = stored_file(folder)
        for address in (LIST, ADD, f"{LIST}{file.pk}/download/", f"{LIST}last/", f"{LIST}{file.pk}/change/"):
            assert client.get(address).status_code == 403, address


class TestChange:
    def test_one_whose_object_is_missing_opens_and_says_so(self, admin_client, folder):
        file = stored_file(folder, missing_since=timezone.now())
        assert "missing at S3" in admin_client.get(f"{LIST}{file.pk}/change/").content.decode()

    def test_the_description_with_a_history_entry(self, admin_client, folder):
        file = stored_file(folder)
        change = f"{LIST}{file.pk}/change/"
        response = admin_client.post(change, {"description": "abc"})
        assert "errornote" in response.content.decode()

        admin_client.post(change, {"description": "Another text"})

        file.refresh_from_db()
        assert file.description == "Another text"
        assert "Description" in LogEntry.objects.latest("pk").get_change_message()

    def test_an_exemption_has_a_permission_of_its_own(self, client, folder, staff_with):
        file = stored_file(folder)
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
