"""What staff do with buckets and findings is in the audit, which cannot be changed and outlives the rows."""

import pytest
from django.contrib.admin.models import LogEntry

from media_catalog.aws.client import forget_clients
from media_catalog.models import AuditEvent, Bucket, Finding
from media_catalog.services import bucket_settings, inventory
from tests.aws.faults import Answer, s3_error, serving

from .buckets import ADD, new_bucket, page, put
from .findings import Kind, act, choose, found, one, take
from .test_bucket_create import creation
from .test_bucket_settings import checked, form_data
from .test_legal_hold import RULE

__all__ = ["act", "checked", "found", "take"]

AUDIT = "/admin/media_catalog/auditevent/"


@pytest.fixture
def said(admin_client):
    """The list's words for each event about a bucket, the latest last: (user, action, what)."""

    def _said(name: str) -> list[tuple[str, str, str]]:
        shown = admin_client.get(AUDIT, {"q": name}).context["cl"]
        events = [event for event in reversed(shown.result_list) if event.target == name]
        return [
            (event.username, event.get_action_display(), shown.model_admin.change(event).replace("\xa0", " "))
            for event in events
        ]

    return _said


def test_creation(admin_client, originals, said):
    data = creation(cors="", temp_days="3")
    admin_client.post(ADD, {**data, "confirm": "1"})

    assert said(data["name"]) == [
        ("admin", "Bucket created", "region: us-east-1, role: General, accepts: Images"),
        (
            "admin",
            "Settings of a bucket changed",
            "Block all public access: no → yes, Encryption: – → Keys of S3 (AES-256), Keep older versions: no → yes,"
            " Expire older versions after (days): 0 → 30, End unfinished uploads after (days): 0 → 7,"
            " Delete objects under temp/ after (days): 0 → 3",
        ),
    ]


def test_its_purpose_and_settings_from_what_to_what(admin_client, checked, originals, said):
    Bucket.objects.filter(pk=originals.pk).update(renditions_bucket=None)
    data = form_data(
        admin_client, checked, role="renditions", originals_bucket=originals.pk, accepts="images", versioning=True
    )
    admin_client.post(page(checked, "settings"), {**data, "confirm": "1"})

    assert said(checked.name) == [
        (
            "admin",
            "Settings of a bucket changed",
            f"role: General → Renditions, accepts: Files of any type → Images, renditions of: – → {originals.name}",
        ),
        ("admin", "Settings of a bucket changed", "Keep older versions: no → yes"),
    ]


def test_what_s3_refuses_is_not_in_it(admin_client, checked, settings, said):
    data = form_data(admin_client, checked, versioning=True, cors=True)
    with serving() as server:
        server.script.extend([Answer(), s3_error(403, "AccessDenied")])
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        admin_client.post(page(checked, "settings"), {**data, "confirm": "1"})

    assert [what for _who, _action, what in said(checked.name)] == ["Keep older versions: no → yes"]


def test_a_button_of_the_health_card_and_the_page_of_uploads(admin_client, checked, said):
    admin_client.post(page(checked, "fix"), {"check": "lifecycle"})
    bucket_settings.let_in(bucket=checked, origin="https://media.example.com")
    bucket_settings.let_in(bucket=checked, origin="https://media.example.com")

    assert said(checked.name) == [
        ("admin", "Settings of a bucket changed", "End unfinished uploads after (days): 0 → 7"),
        ("", "Settings of a bucket changed", "origin let in by CORS: https://media.example.com"),
    ]


def test_legal_hold_and_rules_of_ours(admin_client, originals, said):
    change = page(originals)
    admin_client.post(change, RULE)
    admin_client.post(change, RULE | {"legal_hold": "on", "upload_rule": "exact", "inventory_every": "24"})
    admin_client.post(change, RULE | {"upload_rule": "exact", "inventory_every": "24"})

    assert said(originals.name) == [
        ("admin", "Legal hold set", ""),
        (
            "admin",
            "Settings of a bucket changed",
            "upload rule: Any size → Exactly, inventory by the clock: Never → Each day",
        ),
        ("admin", "Legal hold lifted", ""),
    ]


def test_an_empty_bucket_that_is_deleted_keeps_its_history(admin_client, client, originals, said, staff_with):
    bucket = new_bucket()
    admin_client.post(page(bucket), RULE | {"legal_hold": "on"})
    admin_client.post(page(bucket), RULE)
    history = f"/admin/media_catalog/bucket/{bucket.pk}/history/"
    admin_client.post(page(bucket, "delete"), {"delete": "1"})

    assert [action for _who, action, _what in said(bucket.name)] == [
        "Legal hold set",
        "Legal hold lifted",
        "Bucket deleted",
    ]
    assert said(bucket.name)[-1] == ("admin", "Bucket deleted", "region: us-east-1, role: General, entries deleted: 0")
    shown = admin_client.get("/admin/media_catalog/bucket/").content.decode()
    assert f'href="{AUDIT}?action__exact=bucket_deleted"' in shown
    response = admin_client.get(history)
    assert [str(entry.object_repr) for entry in response.context["action_list"]] == [bucket.name] * 3
    assert "Deleted at S3, empty." in response.content.decode()
    assert f'href="{AUDIT}?q={bucket.name}"' in response.content.decode()

    client.force_login(staff_with("view_bucket"))
    assert AUDIT not in client.get(history).content.decode()
    assert AUDIT not in client.get("/admin/media_catalog/bucket/").content.decode()
    client.force_login(staff_with("view_image"))
    assert client.get(history).status_code == 403
    assert admin_client.get("/admin/media_catalog/bucket/123456/history/").status_code == 302
    assert admin_client.get("/admin/media_catalog/bucket/nonsense/history/").status_code == 302


def test_what_is_emptied_is_counted_and_named(admin_client, originals, said, work, line_end):
    bucket = new_bucket()
    for key in ("a", "b", f"c{line_end}"):
        put(bucket, key)
    inventory.sync(bucket, run="one")
    admin_client.post(page(bucket, "delete"), {"empty": "1", "name": bucket.name})
    work()

    odd = chr(0x2400 + ord(line_end))
    assert said(bucket.name) == [
        ("admin", "Deleted to empty a bucket", f"objects: 3, the first: a, b, c{odd}"),
        ("admin", "Bucket deleted", "region: us-east-1, role: General, entries deleted: 3"),
    ]
    history = admin_client.get(f"/admin/media_catalog/bucket/{bucket.pk}/history/")
    assert "requested (job" in history.content.decode()
    assert not LogEntry.objects.filter(object_id=bucket.pk, action_flag=3).exists()


def test_what_is_put_into_quarantine_and_what_is_deleted_of_what_was_found(found, act, said):
    act("quarantine")
    assert Finding.objects.filter(action="quarantine").count() == 2
    act("delete")

    renditions = found.renditions_bucket.name
    gone = one(Kind.ROW_WITHOUT_OBJECT, bucket=found).key
    assert said(found.name) == [
        ("admin", "Found, moved to quarantine", "finding: Object without row, key: other/new.jpg"),
        ("admin", "Found, deleted", f"finding: Row without object, key: {gone}"),
        ("admin", "Found, deleted", "finding: Stale upload, key: stale.jpg"),
    ]
    assert [action for _who, action, _what in said(renditions)] == ["Found, moved to quarantine", "Found, deleted"]


def test_what_is_only_marked_or_was_gone_already_is_not_in_it(admin_client, found, act, said):
    choose(admin_client, "dismiss")
    assert not AuditEvent.objects.exists()
