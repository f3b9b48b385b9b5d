"""Uploads into a folder of the object browser, and deletions there."""

import io

from django.contrib.admin.models import LogEntry

from media_catalog.aws import s3
from media_catalog.models import Bucket, Finding, Image, Job, RequestLimit
from media_catalog.services import files, renditions
from tests.pictures import jpeg, upload_file

from .buckets import bucket, keys_of, messages_of, new_bucket, page, put
from .findings import take

__all__ = ["bucket", "take"]


class TestUploading:
    def _upload(self, client, bucket, *files, prefix=""):
        return client.post(page(bucket, "upload", prefix=prefix), {"chosen": list(files)}, follow=True)

    def test_files_go_under_the_prefix_and_overwrite_nothing(self, admin_client, bucket, cloud):
        put(bucket, "docs//plan.pdf", b"theirs")

        response = self._upload(
            admin_client,
            bucket,
            upload_file(b"mine", "plan.pdf"),
            upload_file(b"x", "../../etc/pass wd"),
            prefix="docs//",
        )

        assert keys_of(bucket) == ["docs//pass-wd.bin", "docs//plan-2.pdf", "docs//plan.pdf"]
        assert s3.get_object(bucket.name, "docs//plan.pdf").body == b"theirs"
        assert s3.get_object(bucket.name, "docs//plan-2.pdf").content_type == "application/pdf"
        assert messages_of(response) == [
            "Uploaded <strong>docs//plan-2.pdf</strong>.",
            "Uploaded <strong>docs//pass-wd.bin</strong>.",
            "The upload cost 3 PUT-class requests.",  # one found the name taken
        ]
        assert "plan-2.pdf" in LogEntry.objects.get().change_message

    def test_a_bucket_for_images_takes_images_only(self, admin_client, originals):
        bucket = new_bucket(accepts="images")

        response = self._upload(admin_client, bucket, upload_file(b"x", "a.jpg"), upload_file(jpeg(), "b.jpg"))

        refused, stored, cost = messages_of(response)
        assert "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF." in refused
        assert "b.jpg" in stored
        assert cost == "The upload cost 1 PUT-class request."
        assert keys_of(bucket) == ["b.jpg"]

    def test_in_a_bucket_for_originals_it_is_catalogued(self, admin_client, originals):
        response = self._upload(admin_client, originals, upload_file(jpeg(), "a.jpg"), prefix="2026/11/")

        assert messages_of(response)[-1] == "The upload cost 1 PUT-class request."
        assert Image.objects.get().key == "2026/11/a.jpg"

    def test_folders_of_the_catalogue_have_plain_names_which_is_said(self, admin_client, originals):
        prefix = "a//../gr\u00f6\u00dfe b/"
        shown = admin_client.get(page(originals, "objects", prefix=prefix)).content.decode()
        assert "they go to “a/gr\u00f6\u00dfe-b/”" in shown

        response = self._upload(admin_client, originals, upload_file(jpeg(), "a.jpg"), prefix=prefix)

        assert Image.objects.get().key == "a/gr\u00f6\u00dfe-b/a.jpg"
        assert [row.name for row in response.context["rows"]] == ["a.jpg"]

    def test_half_a_folder_is_no_place(self, admin_client, bucket):
        response = self._upload(admin_client, bucket, upload_file(b"x", "a.txt"), prefix="2026")

        assert messages_of(response) == ["Files are uploaded to a folder: its path ends with “/”."]
        assert keys_of(bucket) == []

    def test_nothing_is_put_beside_renditions(self, admin_client, originals):
        response = self._upload(admin_client, originals.renditions_bucket, upload_file(jpeg(), "a.jpg"))

        assert "Only renditions are written" in messages_of(response)[0]

    def test_where_files_are_catalogued_the_page_leads_to_theirs(self, client, admin_client, staff_with, bucket, take):
        files.store(file=io.BytesIO(b"x"), name="a.txt", description="known", bucket=bucket, user=None)
        theirs = f'href="/admin/media_catalog/storedfile/add/?bucket={bucket.pk}"'
        shown = admin_client.get(page(bucket, "objects")).content.decode()
        assert theirs in shown
        assert 'name="chosen"' not in shown

        said = messages_of(self._upload(admin_client, bucket, upload_file(b"x", "b.txt")))
        assert "Upload it on the page “Files”, with a description" in said[0]
        assert keys_of(bucket) == ["a.txt"]
        take(bucket)
        assert not Finding.objects.exists()
        client.force_login(staff_with("browse_objects", "write_objects"))
        assert theirs not in client.get(page(bucket, "objects")).content.decode()

    def test_a_file_over_the_limit_and_no_file_are_refused(self, admin_client, bucket, settings):
        settings.FILE_MAX_BYTES = 3
        assert "at most 3\xa0bytes" in messages_of(self._upload(admin_client, bucket, upload_file(b"four", "a")))[0]
        assert "required" in messages_of(self._upload(admin_client, bucket))[0]
        assert keys_of(bucket) == []

    def test_a_fault_ends_it(self, admin_client, bucket):
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)

        said = messages_of(self._upload(admin_client, bucket, *(upload_file(b"x", f"{n}") for n in range(3))))

        assert "Refused by quota" in said[0]
        assert said[1:] == ["2 more files were not tried."]


class TestDeleting:
    def _remove(self, client, bucket, *keys, **data):
        return client.post(page(bucket, "remove"), {"keys": keys, **data}, follow=True)

    def test_what_will_go_is_said_first(self, admin_client, bucket, cloud):
        for key in ("a", "b", "c"):
            put(bucket, key)
        mark = cloud.access_log.mark()
        response = self._remove(admin_client, bucket, "a", "b")
        assert response.context["names"] == ["a", "b"]
        assert not cloud.access_log.since(mark)

        response = self._remove(admin_client, bucket, "a", "b", confirm="1")

        done = cloud.access_log.operations(mark)
        assert keys_of(bucket)[0] == "c"
        assert [key.startswith("trash/") for key in keys_of(bucket)] == [False, True, True]
        moved, cost = messages_of(response)
        assert "2 objects moved to the trash." in moved
        assert done == {"HeadObject": 2, "CopyObject": 2, "DeleteObject": 2, "ListObjectsV2": 1}  # and the page
        assert cost == "Moving to the trash cost 2 PUT-class, 2 GET-class and 2 free requests."
        assert LogEntry.objects.get().change_message == "Moved to trash: a, b"

    def test_a_form_sent_twice_starts_each_job_once(self, admin_client, originals, store):
        image, keys = store(), [f"{number:02}" for number in range(11)]
        for key in keys:
            put(originals, key)
        chosen = {"keys": [image.key, *keys]}
        shown = admin_client.post(page(originals, "remove"), chosen)
        token = shown.context["token"]
        assert f'name="token" value="{token}"' in shown.content.decode()
        for _time in range(2):
            said = admin_client.post(page(originals, "remove"), {**chosen, "token": token, "confirm": "1"}, follow=True)
        assert sorted(Job.objects.values_list("kind", flat=True)) == ["remove_images", "trash_objects"]
        assert sum("Follow the job" in message for message in messages_of(said)) == 2

    def test_what_is_parked_moves_nothing_at_once(self, admin_client, originals, store, cloud):
        image = store()
        put(originals, "plain")
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=1)
        mark = cloud.access_log.mark()
        admin_client.post(page(originals, "remove"), {"keys": [image.key, "plain"], "park": "1"})
        assert not cloud.access_log.since(mark)
        parked = Job.objects.filter(state="parked").values_list("kind", flat=True)
        assert sorted(parked) == ["remove_images", "trash_objects"]

    def test_a_catalogued_image_goes_by_its_job(self, admin_client, originals, store, work):
        image = store()
        put(originals, "plain")

        response = self._remove(admin_client, originals, image.key, "plain", confirm="1")

        assert len(messages_of(response)) == 3
        assert Job.objects.get().kind == "remove_images"
        work()
        assert not Image.objects.exists()
        assert {key[:6] for key in keys_of(originals)} == {"trash/"}

    def test_a_catalogued_image_needs_the_permission_for_images(self, client, originals, store, staff_with):
        image = store()
        client.force_login(staff_with("browse_objects", "delete_objects"))

        assert self._remove(client, originals, image.key, confirm="1").status_code == 403
        assert keys_of(originals) == [image.key]

    def test_a_rendition_counts_as_not_made(self, admin_client, originals, store):
        image = store()
        renditions.make(image=image)
        thumbnail = image.renditions.get(preset__slug="thumbnail")

        self._remove(admin_client, originals.renditions_bucket, thumbnail.key, confirm="1")

        assert not image.renditions.filter(pk=thumbnail.pk).exists()
        assert renditions.make(image=image) == 1

    def test_nothing_selected_is_said(self, admin_client, bucket):
        assert messages_of(self._remove(admin_client, bucket)) == ["Nothing was selected."]

    def test_a_bucket_that_is_gone_is_said(self, admin_client, db, cloud, originals):
        gone = Bucket.objects.create(name="gone-for-ever-3")
        for keys in (["a"], ["a", "b"]):
            assert "no longer exists" in messages_of(self._remove(admin_client, gone, *keys, confirm="1"))[0]
