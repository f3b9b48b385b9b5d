"""Findings of stale uploads and of files."""

from datetime import timedelta
from hashlib import sha256

import pytest
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.models import Bucket, Finding, JobItem, StoredFile, TrashedObject, Upload
from media_catalog.services import arrivals, direct_uploads
from tests.pictures import jpeg
from tests.reconciling import uploads

from .buckets import new_bucket, put
from .findings import LIST, Kind, State, act, keys, one, take

__all__ = ["act", "take"]
pytestmark = pytest.mark.database


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
