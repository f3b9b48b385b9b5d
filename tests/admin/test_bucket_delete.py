"""Deleting a bucket: only empty, or by a job behind its name typed out."""

from functools import partial
from uuid import uuid4

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from media_catalog.aws import bucket_settings, listing, objects, s3
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsDenied, BucketRefused
from media_catalog.models import (
    AuditEvent,
    Bucket,
    Finding,
    Image,
    InventoryObject,
    Job,
    Leftover,
    Rendition,
    RequestCounter,
    RequestLimit,
    Scan,
)
from media_catalog.services import bucket_removal
from media_catalog.services import renditions as making
from tests.aws.faults import Answer, s3_error, serving

from .buckets import LIST, keys_of, messages_of, new_bucket, page, put

UNDER_WAY = ["This is under way already."]


@pytest.fixture
def full(originals, line_end):
    """A bucket with versioning: three objects, two of them overwritten, one deleted, and an odd key."""
    bucket = new_bucket()
    bucket_settings.put_versioning(bucket.name, on=True)
    for key in ("a", "b/c", "b/d", "a", "b/c", f"new{line_end}line"):
        put(bucket, key)
    s3.delete_object(bucket.name, "b/d")
    return bucket


@pytest.fixture
def counted(admin_client, full, work):
    admin_client.post(page(full, "take_inventory"))
    work()
    full.refresh_from_db()
    return full


def _delete(client, bucket, **data):
    return client.post(page(bucket, "delete"), data or {"delete": "1"}, follow=True)


def test_an_empty_bucket_goes_with_one_free_request(admin_client, originals, cloud):
    bucket = new_bucket()
    mark = cloud.access_log.mark()

    response = _delete(admin_client, bucket)

    assert response.redirect_chain[-1] == (LIST, 302)
    assert cloud.access_log.operations(mark) == {"DeleteBucket": 1}
    assert not Bucket.objects.filter(pk=bucket.pk).exists()
    assert not s3.bucket_exists(bucket.name)
    assert LogEntry.objects.get(action_flag=DELETION).object_repr == bucket.name


def test_s3_refuses_one_with_objects_or_older_versions(admin_client, full, line_end):
    assert "S3 deletes empty buckets only" in messages_of(_delete(admin_client, full))[0]

    for key in ("a", "b/c", f"new{line_end}line"):
        s3.delete_object(full.name, key)
    assert listing.list_page(full.name).objects == []
    assert "older versions" in messages_of(_delete(admin_client, full))[0]
    assert s3.bucket_exists(full.name)


def test_one_of_another_owner_is_refused(admin_client, originals, settings):
    with serving() as server:
        server.script.append(s3_error(403, "AccessDenied"))
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = _delete(admin_client, Bucket.objects.create(name="foreign"))

    assert "AWS denied access" in messages_of(response)[0]
    assert Bucket.objects.filter(name="foreign").exists()


def test_one_that_is_gone_loses_its_row(admin_client, originals):
    _delete(admin_client, Bucket.objects.create(name="gone-for-ever-2"))

    assert not Bucket.objects.filter(name="gone-for-ever-2").exists()


def test_one_with_catalogued_images_is_refused_before_any_request(admin_client, originals, store, cloud):
    store()
    mark = cloud.access_log.mark()

    response = _delete(admin_client, originals)

    assert messages_of(response) == ["The catalogue has images in it (1)."]
    assert not cloud.access_log.since(mark)


@pytest.mark.parametrize(
    "setting",
    ["BUCKET_STATIC", "BUCKET_FILES", "ASYNC_IMAGE_UPLOAD_BUCKET", "ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET"],
)
@pytest.mark.parametrize("data", [{"delete": "1"}, {"empty": "1"}])
def test_one_that_others_need_is_refused_with_the_reason(admin_client, originals, settings, cloud, data, setting):
    setattr(settings, setting, "of-the-site")
    site = Bucket.objects.create(name="of-the-site")
    paired = originals.renditions_bucket
    mark = cloud.access_log.mark()

    for bucket, said in [(site, "The settings of this site name"), (paired, f"paired with “{originals.name}”")]:
        response = admin_client.post(page(bucket, "delete"), {**data, "name": bucket.name}, follow=True)
        assert said in response.content.decode()
        assert Bucket.objects.filter(pk=bucket.pk).exists()
    assert not Job.objects.exists()
    assert not cloud.access_log.since(mark)


def test_an_inventory_says_what_is_in_it(admin_client, counted, cloud):
    assert (counted.object_count, counted.entry_count, counted.byte_count) == (3, 7, 6 * len(b"content"))
    shown = admin_client.get(page(counted, "delete")).content.decode()
    assert "7 entries" in shown
    assert "42\xa0bytes" in shown


def test_emptying_needs_an_inventory_and_the_exact_name(admin_client, full, counted):
    counted_at = counted.counted_at
    Bucket.objects.filter(pk=full.pk).update(counted_at=None)
    response = _delete(admin_client, full, empty="1", name=full.name)
    assert messages_of(response) == ["Take its inventory first."]

    Bucket.objects.filter(pk=full.pk).update(counted_at=counted_at)
    for name in ("", full.name.upper(), f"{full.name} "):
        response = _delete(admin_client, full, empty="1", name=name)
        assert messages_of(response) == ["Type the name of the bucket exactly to confirm."]
    assert not Job.objects.filter(kind="empty_bucket").exists()


def test_what_does_not_fit_is_parked_behind_the_same_name(admin_client, counted):
    used = RequestCounter.objects.get(request_class="s3_tier1", period="month").used
    RequestLimit.objects.filter(request_class="s3_tier1").update(limit=used)
    assert "Park it until" in admin_client.get(page(counted, "delete")).content.decode()
    _delete(admin_client, counted, park="1", name="another")
    assert not Job.objects.filter(kind="empty_bucket").exists()
    _delete(admin_client, counted, park="1", name=counted.name)
    assert Job.objects.get(kind="empty_bucket").state == "parked"


def test_the_job_empties_all_versions_and_deletes_the_bucket(admin_client, counted, cloud, work):
    response = _delete(admin_client, counted, empty="1", name=counted.name)
    job = Job.objects.get(kind="empty_bucket")
    assert response.redirect_chain[-1][0].startswith(f"/admin/media_catalog/job/{job.pk}/")
    mark = cloud.access_log.mark()

    work()

    item = job.items.get()
    assert (item.state, item.message) == ("done", "7 entries deleted. The bucket is deleted.")
    sent = cloud.access_log.operations(mark)
    assert sent == {"DeleteObject": 1, "ListObjectVersions": 2, "DeleteObjects": 1, "DeleteBucket": 1}
    assert job.estimate["s3_tier1"] == 3
    assert not s3.bucket_exists(counted.name)
    assert not Bucket.objects.filter(pk=counted.pk).exists()


def test_the_form_sent_twice_is_one_job_and_so_is_another_form_meanwhile(admin_client, counted):
    def send(token):
        response = _delete(admin_client, counted, empty="1", name=counted.name, token=token)
        return Job.objects.get(kind="empty_bucket"), response

    token = admin_client.get(page(counted, "delete")).context["token"]
    job, _response = send(token)
    for again, said in ((token, []), (uuid4().hex, UNDER_WAY), ("", UNDER_WAY)):
        same, response = send(again)
        assert same == job
        assert response.redirect_chain[-1][0].startswith(f"/admin/media_catalog/job/{job.pk}/")
        assert messages_of(response) == said

    Job.objects.filter(pk=job.pk).update(state=Job.State.FINISHED)
    assert send(token)[0] == job
    _delete(admin_client, counted, empty="1", name=counted.name, token=uuid4().hex)
    assert Job.objects.filter(kind="empty_bucket").count() == 2


def test_catalogued_images_go_with_their_renditions(admin_client, originals, store, work):
    image = store()
    renditions = originals.renditions_bucket
    making.make(image=image)
    assert listing.list_page(renditions.name).objects
    admin_client.post(page(originals, "take_inventory"))
    work()

    _delete(admin_client, originals, empty="1", name=originals.name)
    work()

    assert not Image.objects.exists()
    assert listing.list_page(renditions.name).objects == []
    assert not Bucket.objects.filter(pk=originals.pk).exists()
    assert Bucket.objects.filter(pk=renditions.pk).exists()


def test_what_inventories_have_found_goes_by_the_bucket(admin_client, originals, work):
    """Other buckets have millions of such rows, and no index by scan."""
    bucket = new_bucket()
    put(bucket, "a")
    for _time in range(2):
        admin_client.post(page(bucket, "take_inventory"))
        work()
    s3.delete_object(bucket.name, "a")
    facts = {"bucket": bucket, "kind": "object", "key": "a", "state": "gone"}
    Finding.objects.create(scan=Scan.objects.last(), **facts)

    with CaptureQueriesContext(connection) as sent:
        bucket_removal.delete_empty(bucket)

    assert not any(model.objects.exists() for model in (Finding, InventoryObject, Scan))
    assert not [query["sql"] for query in sent if '"scan_id" IN' in query["sql"]]


def test_long_work_goes_on_in_turns_that_are_no_failed_attempts(admin_client, counted, work, monkeypatch):
    monkeypatch.setattr(bucket_removal, "TURN_SECONDS", 0)
    _delete(admin_client, counted, empty="1", name=counted.name)
    work()
    item = Job.objects.get(kind="empty_bucket").items.get()
    assert (item.state, item.attempts) == ("queued", 0)

    monkeypatch.setattr(bucket_removal, "TURN_SECONDS", 20)
    work()

    item.refresh_from_db()
    assert (item.state, item.message) == ("done", "7 entries deleted. The bucket is deleted.")


def test_what_s3_does_not_delete_fails_the_job(admin_client, counted, settings, work):
    _delete(admin_client, counted, empty="1", name=counted.name)
    versions = b"".join(
        b"<Version><Key>%b</Key><VersionId>v</VersionId><IsLatest>true</IsLatest>"
        b"<LastModified>2026-11-20T00:00:00.000Z</LastModified><Size>1</Size></Version>" % key
        for key in (b"a", b"b")
    )
    versions = b"<ListVersionsResult><IsTruncated>false</IsTruncated>" + versions + b"</ListVersionsResult>"
    refused = (
        b"<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>"
    )
    with serving() as server:
        server.script.extend([Answer(status=204), Answer(body=versions), Answer(body=refused)])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        work()

    item = Job.objects.get(kind="empty_bucket").items.get()
    assert (item.state, item.code) == ("failed", "denied")
    assert AuditEvent.objects.get().before == {"count": 1, "first": ["b"]}
    assert Bucket.objects.filter(pk=counted.pk).exists()


def test_what_may_not_be_emptied_loses_nothing(originals, store, settings):
    """Not even renditions, which lie elsewhere."""
    making.make(image=store())
    with serving() as server:
        server.script.append(s3_error(403, "AccessDenied"))
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        with pytest.raises(AwsDenied):
            bucket_removal.empty_and_delete(originals, run="one")

    assert [request.method for request in server.log] == ["DELETE"]
    assert Rendition.objects.count() == 6


@pytest.mark.parametrize("after", [1, 3, 4])
def test_a_hold_that_is_set_meanwhile_stops_it(originals, store, monkeypatch, after):
    """Asked before each batch, here one of renditions and two of versions, and before the bucket itself goes."""
    images = [store(name=f"{number}.jpg") for number in range(2)]
    making.make(image=images[0])
    monkeypatch.setattr(listing, "list_versions", partial(listing.list_versions, size=1))
    left = after

    def hold_after(send):
        def _send(*args):
            nonlocal left
            left -= 1
            if not left:
                Bucket.objects.filter(pk=originals.pk).update(legal_hold=True)
            return send(*args)

        return _send

    for name in ("probe_delete_version", "try_to_delete"):
        monkeypatch.setattr(objects, name, hold_after(getattr(objects, name)))

    with pytest.raises(BucketRefused, match="held"):
        bucket_removal.empty_and_delete(originals, run="one")

    assert s3.bucket_exists(originals.name)
    kept = {1: (6, 2), 3: (0, 1), 4: (0, 0)}[after]
    assert (Rendition.objects.count(), len(keys_of(originals))) == kept
    assert AuditEvent.objects.filter(action="bucket_emptied").count() == 2 - kept[1]
    assert not AuditEvent.objects.filter(action="bucket_deleted").exists()


def test_a_limit_refuses_the_job(admin_client, counted):
    RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)

    response = _delete(admin_client, counted, empty="1", name=counted.name)

    assert "does not fit into the quota" in messages_of(response)[0]
    assert not Job.objects.filter(kind="empty_bucket").exists()


def test_emptying_has_a_permission_of_its_own(client, counted, staff_with):
    client.force_login(staff_with("view_bucket", "delete_bucket"))
    assert 'name="empty"' not in client.get(page(counted, "delete")).content.decode()
    assert _delete(client, counted, empty="1", name=counted.name).status_code == 403

    client.force_login(staff_with("view_bucket", "empty_bucket"))
    assert 'name="delete"' not in client.get(page(counted, "delete")).content.decode()
    assert _delete(client, counted).status_code == 403
    _delete(client, counted, empty="1", name=counted.name)
    assert Job.objects.filter(kind="empty_bucket").exists()


def test_a_rendition_made_meanwhile_is_swept_later(originals, store, monkeypatch):
    image = store()
    making.make(image=image)
    late = image.renditions.get(preset__slug="low")
    late.delete()

    list_versions = listing.list_versions

    def slowly(bucket):
        if not Rendition.objects.exists() and Image.objects.exists():
            late.save(force_insert=True)
        return list_versions(bucket)

    monkeypatch.setattr(listing, "list_versions", slowly)
    assert bucket_removal.empty_and_delete(originals, run="one").done

    assert Leftover.objects.get().key == late.key
    assert not Image.objects.exists()


def test_a_bucket_that_is_gone_meanwhile_is_done(admin_client, counted, work):
    _delete(admin_client, counted, empty="1", name=counted.name)
    bucket_removal.empty_and_delete(Bucket.objects.get(pk=counted.pk), run="another")

    work()

    item = Job.objects.get(kind="empty_bucket").items.get()
    assert (item.state, item.message) == ("done", "Deleted.")


def test_one_that_s3_has_lost_only_loses_its_rows(originals):
    gone = Bucket.objects.create(name="gone-for-ever-4")
    image = Image(bucket=gone, key="a", etag="e", size=1, content_type="image/jpeg", width=1, height=1, name="a")
    image.save()

    assert bucket_removal.empty_and_delete(gone, run="one").done

    assert not Bucket.objects.filter(name="gone-for-ever-4").exists()
    assert not Image.objects.exists()
