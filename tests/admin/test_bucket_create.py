"""Creating a bucket: what it will cost, then doing it."""

import secrets

import pytest
from django.contrib.admin.models import ADDITION, LogEntry

from media_catalog.aws import bucket_settings, s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, RequestCounter, RequestLimit
from tests.aws.faults import Answer, s3_error, serving

from .buckets import ADD, messages_of

SETTINGS = {
    "block_public_access": "on",
    "encryption": "AES256",
    "versioning": "on",
    "old_versions_days": "30",
    "cors": "on",
    "multipart_days": "7",
    "temp_days": "0",
}


def creation(**changes):
    name = f"new-{secrets.token_hex(6)}"
    return {"name": name, "region": "us-east-1", "role": "general", "accepts": "images", **SETTINGS, **changes}


def test_the_form_offers_secure_defaults(admin_client, cloud, db):
    form = admin_client.get(ADD).context["form"]

    shown = {name: form[name].value() for name in SETTINGS}
    assert shown == {
        "block_public_access": True,
        "encryption": "AES256",
        "versioning": True,
        "old_versions_days": 30,
        "cors": True,
        "multipart_days": 7,
        "temp_days": 0,
    }


def test_costs_are_shown_before_and_met(admin_client, originals):
    data = creation()
    response = admin_client.post(ADD, data)
    assert not Bucket.objects.filter(name=data["name"]).exists()
    shown = {line.limit.request_class: line.requests for line in response.context["cost_lines"]}
    assert shown == {"s3_tier1": 6, "s3_tier2": 1}
    before = {row.request_class: row.used for row in RequestCounter.objects.filter(period="month")}

    response = admin_client.post(ADD, {**data, "confirm": "1"}, follow=True)

    after = {row.request_class: row.used for row in RequestCounter.objects.filter(period="month")}
    assert {cls: after[cls] - before.get(cls, 0) for cls in shown} == shown
    assert messages_of(response) == [f"The bucket “{data['name']}” was created."]


def test_the_settings_are_at_s3(admin_client, originals, cloud):
    data = creation(temp_days="3")
    mark = cloud.access_log.mark()

    admin_client.post(ADD, {**data, "confirm": "1"})

    assert cloud.access_log.operations(mark) == {
        "HeadBucket": 1,
        "CreateBucket": 1,
        "PutPublicAccessBlock": 1,
        "PutBucketEncryption": 1,
        "PutBucketVersioning": 1,
        "PutBucketCors": 1,
        "PutBucketLifecycleConfiguration": 1,
    }
    name = data["name"]
    assert bucket_settings.blocks_public_access(name)
    assert bucket_settings.is_versioned(name)
    [rule] = bucket_settings.get_cors(name)
    assert rule["AllowedOrigins"] == ["http://testserver"]
    assert {rule["ID"] for rule in bucket_settings.get_lifecycle(name)} == {
        "backoffice-temp",
        "backoffice-multipart",
        "backoffice-old-versions",
    }
    bucket = Bucket.objects.get(name=name)
    assert bucket.settings["temp_days"] == 3
    assert LogEntry.objects.get(action_flag=ADDITION).object_repr == name


def test_only_what_is_chosen_is_sent(admin_client, originals, cloud):
    data = creation(multipart_days="0", old_versions_days="0", encryption="aws:kms")
    for name in ("block_public_access", "versioning", "cors"):
        del data[name]
    mark = cloud.access_log.mark()

    admin_client.post(ADD, {**data, "confirm": "1"})

    assert cloud.access_log.operations(mark) == {"HeadBucket": 1, "CreateBucket": 1, "PutBucketEncryption": 1}
    assert bucket_settings.get_encryption(data["name"]) == "aws:kms"


@pytest.mark.parametrize("role", ["originals", "renditions"])
def test_new_ones_are_paired(admin_client, originals, role):
    alone = Bucket.objects.create(name="alone", role="renditions" if role == "originals" else "originals")
    partner = "renditions_bucket" if role == "originals" else "originals_bucket"
    data = creation(role=role, confirm="1", **{partner: alone.pk})

    admin_client.post(ADD, data)

    bucket = Bucket.objects.get(name=data["name"])
    pair = (bucket, alone) if role == "originals" else (alone, bucket)
    assert Bucket.objects.get(pk=pair[0].pk).renditions_bucket == pair[1]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": "My_Bucket"}, "name", "Only small letters"),
        ({"name": "xn--b-s3alias"}, "name", "AWS reserves names that begin"),
        ({"name": ""}, "name", "required"),
        ({"region": "mars-1"}, "region", "valid choice"),
        ({"temp_days": "-1"}, "temp_days", "greater than or equal to 0"),
        ({"encryption": "rot13"}, "encryption", "valid choice"),
        ({"role": "originals", "accepts": "any"}, "accepts", "images only"),
        ({"role": "static", "renditions_bucket": "R"}, "renditions_bucket", "Only a bucket of the role"),
    ],
)
def test_bad_input_is_said_at_its_field(admin_client, originals, cloud, changes, field, said):
    free = Bucket.objects.create(name="free", role="renditions")
    changes = {name: free.pk if value == "R" else value for name, value in changes.items()}
    mark = cloud.access_log.mark()

    response = admin_client.post(ADD, creation(confirm="1", **changes))

    assert said in " ".join(response.context["form"].errors[field])
    assert not cloud.access_log.since(mark)


def test_where_only_names_of_a_prefix_may_be_created_the_form_says_so(admin_client, originals, cloud, settings):
    settings.MANAGED_BUCKET_PREFIX = "acme-media-"
    assert "It begins with “acme-media-”." in admin_client.get(ADD).content.decode()
    mark = cloud.access_log.mark()

    response = admin_client.post(ADD, creation(confirm="1"))

    assert response.context["form"].errors["name"] == [
        "Begin the name with “acme-media-”: AWS lets this site create no other buckets."
    ]
    assert not cloud.access_log.since(mark)
    data = creation(name=f"acme-media-{secrets.token_hex(6)}", confirm="1")
    assert "was created" in messages_of(admin_client.post(ADD, data, follow=True))[0]


def test_a_name_that_is_known_or_ours_is_refused_with_what_to_do(admin_client, originals, cloud):
    response = admin_client.post(ADD, creation(name=originals.name, confirm="1"))
    assert "has this name already" in response.context["form"].errors["name"][0]

    name = f"unseen-{secrets.token_hex(6)}"
    s3.create_bucket(name, region="us-east-1")
    mark = cloud.access_log.mark()
    response = admin_client.post(ADD, creation(name=name, confirm="1"))
    assert "Synchronise with S3" in response.context["form"].errors["name"][0]
    assert cloud.access_log.operations(mark) == {"HeadBucket": 1}
    assert not Bucket.objects.filter(name=name).exists()


@pytest.mark.parametrize(
    "answers", [[Answer(status=403)], [Answer(status=404), s3_error(409, "BucketAlreadyExists")]], ids=["head", "put"]
)
def test_a_name_of_another_owner_is_refused(admin_client, originals, settings, answers):
    with serving() as server:
        server.script.extend(answers)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(ADD, creation(confirm="1"))

    assert "taken by another account" in response.context["form"].errors["name"][0]
    assert len(server.log) == len(answers)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([Answer(status=404), s3_error(403, "AccessDenied")], "AWS denied access"),
        ([Answer(status=403, headers={"Date": "Fri, 20 Nov 2020 12:00:00 GMT"})], "clock of this server"),
        ([Answer(status=404), s3_error(403, "RequestTimeTooSkewed")], "clock of this server"),
    ],
)
def test_a_refusal_that_says_nothing_of_the_name_is_no_other_owner(admin_client, originals, settings, answers, said):
    with serving() as server:
        server.script.extend(answers)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(ADD, creation(confirm="1"))

    assert said in response.context["form"].non_field_errors()[0]
    assert "name" not in response.context["form"].errors
    assert len(server.log) == len(answers)


def test_a_setting_that_fails_leaves_the_bucket_and_says_so(admin_client, originals, settings):
    data = creation(confirm="1")
    denied = s3_error(403, "AccessDenied")
    with serving() as server:
        server.script.extend([Answer(status=404), Answer(), Answer(), denied])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(ADD, data, follow=True)

    created, failed = messages_of(response)
    assert "was created" in created
    assert "AWS denied access" in failed
    bucket = Bucket.objects.get(name=data["name"])
    assert (bucket.settings["block_public_access"], bucket.settings["encryption"]) == (True, "")


def test_the_limit_refuses_before_anything_is_created(admin_client, originals, cloud):
    RequestLimit.objects.filter(request_class="s3_tier2").update(limit=0)
    mark = cloud.access_log.mark()

    response = admin_client.post(ADD, creation(confirm="1"))

    assert "Refused by quota" in response.context["form"].non_field_errors()[0]
    assert not cloud.access_log.since(mark)


def test_the_permission_is_needed(client, originals, staff_with):
    client.force_login(staff_with("view_bucket", "change_bucket"))
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, creation(confirm="1")).status_code == 403

    client.force_login(staff_with("add_bucket"))
    assert client.get(ADD).status_code == 200
