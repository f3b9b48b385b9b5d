"""The health card: what a check finds, what it costs, and its buttons."""

from collections import Counter

import pytest
from django.contrib.admin.models import LogEntry

from media_catalog.aws import bucket_settings, listing
from media_catalog.aws.client import client, forget_clients
from media_catalog.models import Bucket, RequestLimit
from media_catalog.quota.request_classes import classify
from media_catalog.services import bucket_health
from media_catalog.services.bucket_settings import site_rule
from tests.aws.faults import Answer, s3_error, serving

from .buckets import messages_of, page

EMPTY_LIST = Answer(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
EMPTY_VERSIONS = Answer(body=b"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>")


def _check(browser, bucket):
    response = browser.post(page(bucket, "check"), follow=True)
    bucket.refresh_from_db()
    return response


@pytest.fixture
def bare(originals):
    """As buckets were before S3 blocked public access by itself."""
    bucket_settings.put_public_access_block(originals.name, block=False)
    bucket_settings.put_encryption(originals.name, algorithm="AES256")  # S3 sets it itself, moto does not
    return originals


def _codes(bucket):
    return {slug: finding["code"] for slug, finding in bucket.health.items()}


def test_a_check_finds_what_a_bare_bucket_lacks(admin_client, bare, cloud):
    mark = cloud.access_log.mark()

    response = _check(admin_client, bare)

    assert messages_of(response) == ["The bucket was checked."]
    assert _codes(bare) == {
        "public_access": "possible",
        "encryption": "on",
        "versioning": "off",
        "cors": "closed",
        "csp": "not_named",
        "lifecycle": "unfinished_uploads",
        "list": "allowed",
        "versions": "allowed",
        "read": "allowed",
        "write": "allowed",
        "delete": "allowed",
    }
    sent = Counter[str]()
    for operation, count in cloud.access_log.operations(mark).items():
        sent[classify("s3", operation).value] += count
    assert sent == bucket_health.COST == {"s3_tier1": 3, "s3_tier2": 6, "free": 2}
    shown = response.content.decode()
    assert "3 PUT-class, 6 GET-class and 2 free requests" in shown
    assert "Jobs run with a role of their own" in shown
    assert LogEntry.objects.get().object_repr == bare.name


@pytest.mark.parametrize("versioning", ["never", "on", "suspended"])
def test_a_check_leaves_nothing_in_the_bucket(admin_client, originals, settings, versioning):
    """Nor a delete marker, which an attempt to delete any key would leave where versions are, or were, kept."""
    if versioning != "never":
        bucket_settings.put_versioning(originals.name, on=True)
    if versioning == "suspended":
        bucket_settings.put_versioning(originals.name, on=False)

    _check(admin_client, originals)

    assert originals.health["delete"] == {"level": "good", "code": "allowed"}
    settings.QUOTA_REFUSE_UNKNOWN = False  # the application never asks for unfinished uploads as the test does below
    assert listing.list_versions(originals.name).versions == []
    assert "Uploads" not in client("s3").list_multipart_uploads(Bucket=originals.name)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (s3_error(404, "NoSuchKey"), "allowed"),
        (s3_error(412, "PreconditionFailed"), "allowed"),
        (s3_error(403, "AccessDenied"), "denied"),
        (s3_error(400, "Odd"), "failed"),
    ],
    ids=["404", "412", "403", "400"],
)
def test_what_s3_says_to_a_delete_that_cannot_be_meant(admin_client, originals, settings, answer, code):
    with serving() as server:
        server.script.extend([EMPTY_LIST, EMPTY_VERSIONS, *[s3_error(403, "AccessDenied")] * 5])
        server.script.extend([Answer(status=404), s3_error(403, "AccessDenied"), answer])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        _check(admin_client, originals)

    sent = server.log[-1]
    assert (sent.method, sent.headers["if-match"]) == ("DELETE", f'"{"0" * 32}"')
    assert _codes(originals)["delete"] == code


def test_without_permission_to_read_nothing_is_said_of_deleting(admin_client, originals, settings):
    """S3 wants that permission for a DELETE with a condition, too."""
    denied = s3_error(403, "AccessDenied")
    with serving() as server:
        server.script.extend([EMPTY_LIST, denied, *[denied] * 5, Answer(status=403), denied])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = _check(admin_client, originals)

    codes = _codes(originals)
    assert [codes[slug] for slug in ("list", "versions", "read", "delete")] == [
        "allowed",
        "denied",
        "denied",
        "needs_read",
    ]
    assert "Cannot be told without permission to read." in response.content.decode()


@pytest.mark.parametrize(
    ("check", "label", "sent"),
    [
        ("public_access", "Block public access", {"PutPublicAccessBlock": 1}),
        ("cors", "Fix CORS", {"GetBucketCors": 1, "PutBucketCors": 1}),
        (
            "lifecycle",
            "End unfinished uploads after 7 days",
            {"GetBucketLifecycleConfiguration": 1, "PutBucketLifecycleConfiguration": 1},
        ),
        (
            "versioning",
            "Keep older versions for 30 days",
            {"PutBucketVersioning": 1, "GetBucketLifecycleConfiguration": 1, "PutBucketLifecycleConfiguration": 1},
        ),
    ],
)
def test_a_button_mends_it_at_s3(admin_client, bare, cloud, check, label, sent):
    shown = _check(admin_client, bare).content.decode()
    assert label in shown
    mark = cloud.access_log.mark()

    response = admin_client.post(page(bare, "fix"), {"check": check}, follow=True)

    assert messages_of(response) == [f"Done: {label}."]
    assert cloud.access_log.operations(mark) == sent
    bare.refresh_from_db()
    assert bare.health[check]["level"] == "good"
    before = bare.health
    _check(admin_client, bare)
    assert bare.health == before  # what we said without asking is what S3 says


def test_rules_of_others_stay(admin_client, originals):
    theirs = {"ID": "theirs", "AllowedOrigins": ["https://example.com"], "AllowedMethods": ["GET"]}
    bucket_settings.put_cors(originals.name, [theirs])
    rule = {"ID": "theirs", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 5}}
    bucket_settings.put_lifecycle(originals.name, [rule])
    _check(admin_client, originals)

    for check in ("cors", "lifecycle"):
        admin_client.post(page(originals, "fix"), {"check": check})

    assert {rule["ID"] for rule in bucket_settings.get_cors(originals.name)} == {"theirs", "backoffice-site"}
    kept = {rule["ID"]: rule for rule in bucket_settings.get_lifecycle(originals.name)}
    assert kept.keys() == {"theirs", "backoffice-multipart"}
    assert kept["theirs"]["Expiration"] == {"Days": 5}


def test_other_addresses_of_the_site_stay_let_in(admin_client, originals):
    bucket_settings.put_cors(originals.name, [site_rule(["https://media.example.com"])])
    _check(admin_client, originals)

    admin_client.post(page(originals, "fix"), {"check": "cors"})

    [rule] = bucket_settings.get_cors(originals.name)
    assert rule["AllowedOrigins"] == ["http://testserver", "https://media.example.com"]


def test_a_button_of_an_outdated_page_does_nothing(admin_client, originals, cloud):
    _check(admin_client, originals)
    admin_client.post(page(originals, "fix"), {"check": "cors"})
    mark = cloud.access_log.mark()

    for check in ("cors", "nonsense", ""):
        response = admin_client.post(page(originals, "fix"), {"check": check}, follow=True)
        assert messages_of(response)[-1] == "There is nothing to mend any more."
    assert not cloud.access_log.since(mark)


def test_what_aws_denies_is_said_and_needs_an_administrator(admin_client, originals, settings):
    denied = s3_error(403, "AccessDenied")
    with serving() as server:
        server.script.extend([denied] * 6 + [denied] * 2)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = _check(admin_client, originals)

    codes = _codes(originals)
    assert codes["list"] == codes["write"] == codes["cors"] == "denied"
    assert (codes["read"], codes["delete"]) == ("needs_list", "needs_read")
    assert originals.settings == {}
    assert "AWS denies it. An administrator must grant the permission." in response.content.decode()


def test_an_error_that_says_nothing_of_permissions_is_unknown(admin_client, originals, settings):
    denied = s3_error(403, "AccessDenied")
    with serving() as server:
        server.script.extend([s3_error(400, "Odd"), *[denied] * 7])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        _check(admin_client, originals)

    assert originals.health["list"] == {"level": "unknown", "code": "failed"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (s3_error(500, "InternalError"), "could not be reached"),
        (s3_error(503, "SlowDown"), "slow down"),
        (s3_error(403, "RequestTimeTooSkewed"), "clock of this server"),
    ],
)
def test_a_fault_stores_nothing(admin_client, originals, settings, answer, said):
    with serving() as server:
        server.script.extend([answer] * 3)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = _check(admin_client, originals)

    assert said in messages_of(response)[0]
    assert originals.health == {}
    assert originals.missing_since is None


def test_a_bucket_that_is_gone_is_marked(admin_client, db, cloud):
    RequestLimit.objects.update(limit=1_000_000)
    gone = Bucket.objects.create(name="gone-for-ever-1")

    response = _check(admin_client, gone)

    assert "no longer exists" in messages_of(response)[0]
    assert gone.missing_since
    assert "Missing at S3" in response.content.decode()


def test_the_limit_stops_a_check(admin_client, originals):
    RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)

    assert "Refused by quota" in messages_of(_check(admin_client, originals))[0]
    assert originals.health == {}


def test_renditions_want_no_versions(admin_client, originals):
    renditions = originals.renditions_bucket
    bucket_settings.put_versioning(renditions.name, on=True)
    _check(admin_client, renditions)
    assert renditions.health["versioning"]["code"] == "wasteful"

    admin_client.post(page(renditions, "fix"), {"check": "versioning"})

    assert not bucket_settings.is_versioned(renditions.name)


def test_the_policy_of_the_site_is_read(admin_client, originals, settings):
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    open_policy = {**policy, "connect-src": [settings.AWS_ENDPOINT_URL]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": open_policy}

    _check(admin_client, originals)

    assert originals.health["csp"]["code"] == "named"


def test_on_aws_the_origin_is_that_of_the_bucket(settings):
    settings.AWS_ENDPOINT_URL = ""
    bucket = Bucket(name="photos", region="eu-west-1")
    assert bucket_health.endpoint_origin(bucket) == "https://photos.s3.eu-west-1.amazonaws.com"


def test_who_may_not_change_sees_no_buttons(client, bare, staff_with):
    client.force_login(staff_with("view_bucket", "sync_bucket"))
    shown = _check(client, bare).content.decode()
    assert "A policy or an ACL can open it" in shown
    assert "Block public access" not in shown


def test_a_fix_that_s3_refuses_is_said(admin_client, bare, settings):
    _check(admin_client, bare)
    with serving() as server:
        server.script.extend([Answer(status=404, body=b""), s3_error(403, "AccessDenied")])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(page(bare, "fix"), {"check": "public_access"}, follow=True)
    assert messages_of(response) != ["Done: Block public access."]
    bare.refresh_from_db()
    assert bare.health["public_access"]["code"] == "possible"


def test_of_a_fix_that_s3_refuses_half_way_what_was_done_is_said(admin_client, bare, settings):
    _check(admin_client, bare)
    with serving() as server:
        server.script.extend([Answer(), s3_error(403, "AccessDenied")])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = admin_client.post(page(bare, "fix"), {"check": "versioning"}, follow=True)

    done, denied = messages_of(response)
    assert done == "Done: Set the versioning."
    assert "denied access" in denied
    assert LogEntry.objects.first().change_message == "Set the versioning"
