"""Direct uploads and their bucket: objects of others in it, and its CORS rules."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.aws import bucket_settings as s3_settings
from media_catalog.aws import s3
from media_catalog.models import Image, Upload
from media_catalog.services import direct_uploads
from media_catalog.services.bucket_settings import site_rule
from tests.api.conftest import post
from tests.localcloud.conftest import browser
from tests.services.direct import expired
from tests.services.objects import body_of

from .uploading import ask, begin, file, page, send

__all__ = ["browser", "page", "post"]


class TestObjectsOfOthers:
    """The catalogue does not know what else is in a bucket, and must not touch it."""

    FOREIGN = b"not ours"

    def put(self, bucket, key):
        s3.put_object(bucket.name, key, self.FOREIGN, content_type="text/plain")

    def test_under_the_plain_name_it_is_neither_replaced_nor_deleted(self, page, originals, post):
        self.put(originals, "press/photo.jpg")
        _form, answer = send(page, originals, post)
        assert answer["state"] == "done"
        [form] = begin(page, originals, file())
        ask(page, "cancel", uuid=form["uuid"])
        expired()
        direct_uploads.expire()
        assert body_of(originals, "press/photo.jpg") == self.FOREIGN

    @pytest.mark.parametrize("way", ["finish", "cancel", "expire", "too large"])
    def test_under_the_very_key_it_is_left_alone(self, page, originals, way, settings):
        [form] = begin(page, originals, file())
        key = form["fields"]["key"]
        self.put(originals, key)
        Upload.objects.update(created_at=timezone.now() + timedelta(hours=1))
        if way == "too large":
            settings.IMAGE_MAX_BYTES = 3
        if way != "expire":
            ask(page, "cancel" if way == "cancel" else "finish", uuid=form["uuid"])
        expired()
        assert direct_uploads.expire() == []
        upload = Upload.objects.get()
        assert upload.status == Upload.Status.FAILED
        assert upload.error == ("cancelled" if way == "cancel" else "key taken at S3")
        assert body_of(originals, key) == self.FOREIGN
        assert not Image.objects.exists()


class TestCors:
    def test_adds_this_site_and_keeps_what_is_there(self, client, originals, staff_with, cloud):
        client.force_login(staff_with("add_image", "change_bucket"))
        another = site_rule(["https://another.example"]) | {"ID": "of another site"}
        s3_settings.put_cors(originals.name, [another])
        mark = cloud.access_log.mark()
        assert "http://testserver may upload" in ask(client, "allow-origin", bucket=originals.pk).json()["reason"]
        assert sum(cloud.access_log.operations(mark).values()) == 2
        assert "already" in ask(client, "allow-origin", bucket=originals.pk).json()["reason"]

        rules = s3.client("s3").get_bucket_cors(Bucket=originals.name)["CORSRules"]
        assert [rule["AllowedOrigins"] for rule in rules] == [["https://another.example"], ["http://testserver"]]
        assert LogEntry.objects.get().change_message == "CORS: http://testserver may upload."

    def test_needs_the_permission_to_change_buckets(self, page, originals):
        assert ask(page, "allow-origin", bucket=originals.pk).status_code == 403
