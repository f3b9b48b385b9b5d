"""Changing the settings of a bucket: what it costs, then doing it."""

import pytest
from django.contrib.admin.models import LogEntry

from media_catalog.aws import bucket_settings
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket
from tests.aws.faults import Answer, s3_error, serving

from .buckets import messages_of, new_bucket, page


@pytest.fixture
def checked(admin_client, originals):
    """A general bucket whose settings are known."""
    bucket = new_bucket()
    bucket_settings.put_encryption(bucket.name, algorithm="AES256")  # S3 sets it itself, moto does not
    admin_client.post(page(bucket, "check"))
    bucket.refresh_from_db()
    LogEntry.objects.all().delete()
    return bucket


def form_data(client, bucket, **changes):
    """What the form shows, as a browser would post it, with changes; None leaves a field out."""
    form = client.get(page(bucket, "settings")).context["form"]
    values = {name: form[name].value() for name in form.fields} | changes
    given = {name: value for name, value in values.items() if value is not None and value is not False}
    return {name: "on" if value is True else value for name, value in given.items()}


def test_before_a_check_only_its_purpose_can_be_changed(admin_client, originals, cloud):
    response = admin_client.get(page(originals, "settings"))

    assert "encryption" not in response.context["form"].fields
    assert "not known yet" in response.content.decode()
    assert page(originals, "check") in response.content.decode()


def test_a_change_of_purpose_costs_nothing(admin_client, checked, originals, cloud):
    Bucket.objects.filter(pk=originals.pk).update(renditions_bucket=None)
    mark = cloud.access_log.mark()

    data = form_data(admin_client, checked, role="renditions", originals_bucket=originals.pk, accepts="images")
    response = admin_client.post(page(checked, "settings"), data, follow=True)

    assert messages_of(response) == ["Saved."]
    assert not cloud.access_log.since(mark)
    originals.refresh_from_db()
    assert originals.renditions_bucket == checked
    assert "Role" in LogEntry.objects.get().change_message


def test_only_what_changes_is_sent_after_its_costs_were_shown(admin_client, checked, cloud):
    data = form_data(admin_client, checked, versioning=True, multipart_days=3)
    mark = cloud.access_log.mark()
    response = admin_client.post(page(checked, "settings"), data)
    assert [str(label) for label, _requests in response.context["review"]] == [
        "Set the versioning",
        "Set the lifecycle rules",
    ]
    assert not cloud.access_log.since(mark)

    response = admin_client.post(page(checked, "settings"), {**data, "confirm": "1"}, follow=True)

    assert messages_of(response) == ["Saved. At S3: Set the versioning, Set the lifecycle rules."]
    assert cloud.access_log.operations(mark) == {
        "PutBucketVersioning": 1,
        "GetBucketLifecycleConfiguration": 1,
        "PutBucketLifecycleConfiguration": 1,
    }
    assert bucket_settings.is_versioned(checked.name)
    [rule] = bucket_settings.get_lifecycle(checked.name)
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}


def test_everything_can_be_switched_off_again(admin_client, checked):
    on = form_data(admin_client, checked, versioning=True, multipart_days=3, cors=True, block_public_access=True)
    admin_client.post(page(checked, "settings"), {**on, "confirm": "1"})
    off = form_data(admin_client, checked, versioning=None, multipart_days=0, cors=None, block_public_access=None)

    admin_client.post(page(checked, "settings"), {**off, "confirm": "1"})

    assert not bucket_settings.is_versioned(checked.name)
    assert bucket_settings.get_lifecycle(checked.name) == bucket_settings.get_cors(checked.name) == []
    assert not bucket_settings.blocks_public_access(checked.name)


def test_the_way_back_to_the_form_changes_nothing(admin_client, checked, cloud):
    data = form_data(admin_client, checked, versioning=True)
    mark = cloud.access_log.mark()

    response = admin_client.post(page(checked, "settings"), {**data, "back": "1"})

    assert "review" not in response.context
    assert response.context["form"]["versioning"].value()
    assert not cloud.access_log.since(mark)


def test_a_fault_keeps_what_was_done_before_it_and_says_what_was_not(admin_client, checked, settings):
    data = form_data(admin_client, checked, versioning=True, cors=True, accepts="images", multipart_days=3)
    with serving() as server:
        server.script.extend([Answer(), s3_error(403, "AccessDenied")])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(page(checked, "settings"), {**data, "confirm": "1"}, follow=True)

    [said] = messages_of(response)
    assert "denied access" in said
    assert said.endswith(
        " Saved: Accepts, Keep older versions. Not saved: Let browsers on this site read and upload (CORS),"
        " End unfinished uploads after (days)."
    )
    assert LogEntry.objects.get().change_message == "Changed: Accepts, Keep older versions."
    checked.refresh_from_db()
    assert (checked.settings["versioning"], checked.settings["cors"]) == (True, False)


def test_what_s3_refuses_at_once_is_not_called_saved(admin_client, checked, settings):
    data = form_data(admin_client, checked, versioning=True)
    with serving() as server:
        server.script.append(s3_error(403, "AccessDenied"))
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(page(checked, "settings"), {**data, "confirm": "1"}, follow=True)

    [said] = messages_of(response)
    assert said.endswith(" Not saved: Keep older versions.")
    assert not LogEntry.objects.exists()


def test_a_bucket_with_images_stays_one_for_originals(admin_client, originals, store):
    store()

    response = admin_client.post(page(originals, "settings"), {"role": "general", "accepts": "any"})

    assert "The catalogue has images in it (1)." in response.context["form"].errors["role"]


def test_a_renditions_bucket_serves_one_bucket(admin_client, originals):
    other = new_bucket(role="originals", accepts="images")
    taken = originals.renditions_bucket
    data = {"role": "originals", "accepts": "images", "renditions_bucket": taken.pk}

    response = admin_client.post(page(other, "settings"), data)

    assert "renditions_bucket" in response.context["form"].errors
    other.refresh_from_db()
    assert other.renditions_bucket is None
