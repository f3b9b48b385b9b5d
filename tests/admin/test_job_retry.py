"""Retrying jobs without images: what is left and what it takes, behind the guard of the first time."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from media_catalog.models import (
    BlockedRequest,
    Bucket,
    Finding,
    InventoryObject,
    Job,
    RequestCounter,
    RequestLimit,
    Scan,
    StoredFile,
    TrashedObject,
)

LIST = "/admin/media_catalog/job/"
NOTES = {
    "empty_bucket": "all versions included, then the bucket",
    "purge": "They are deleted for good.",
    "sweep_retention": "lets go by now is deleted for good.",
    "delete_findings": "Rows without an object go",
    "remove_files": "From there they can be restored",
    "trash_objects": "From there they can be restored",
    "restore": "Restore from trash",
    "adopt_objects": "Catalogue existing objects",
}


def _post(client, job, **fields):
    return client.post(f"{LIST}{job.pk}/retry/", fields, follow=True)


def _said(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def _confirm(client, job, button="confirm", **fields):
    shown = _post(client, job).context
    given = {name: shown[name] for name in ("token", "left") if shown[name] is not None}
    return _post(client, job, **{button: "1", **given, **fields})


def _files(bucket: Bucket) -> dict[str, Any]:
    old = timezone.now() - timedelta(days=9)
    rows = [
        StoredFile(
            bucket=bucket,
            key=f"{name}.txt",
            name=f"{name}.txt",
            size=1,
            etag="e",
            description="what it is",
            created_at=old,
        )
        for name in "abc"
    ]
    StoredFile.objects.bulk_create(rows)
    return {"files": [row.pk for row in rows], "run": "r", "settled": [rows[0].pk]}


def _due(bucket: Bucket) -> dict[str, Any]:
    _files(bucket)
    StoredFile.objects.filter(name="c.txt").delete()
    Bucket.objects.filter(pk=bucket.pk).update(expire_after=3600, retention_on=True)
    return {"bucket": bucket.pk, "run": "r"}


def _trashed(bucket: Bucket) -> dict[str, Any]:
    TrashedObject.objects.bulk_create(
        TrashedObject(bucket=bucket, key=key, trash_key=f".trash/{key}", size=1, etag="e", run="r", state="trashed")
        for key in "ab"
    )
    return {"run": "r", "count": 3}


def _found(bucket: Bucket) -> dict[str, Any]:
    scan = Scan.objects.create(bucket=bucket)
    rows = [
        Finding(bucket=bucket, kind="object", state="open", times_seen=2, key=key, run=run, scan=scan)
        for key, run in (("a", ""), ("b", "another"), ("c", "r"))
    ]
    Finding.objects.bulk_create(rows)
    return {"findings": [row.pk for row in rows], "action": "delete", "by": "ana", "run": "r"}


def _unknown(bucket: Bucket) -> dict[str, Any]:
    facts = {"size": 9, "etag": "e", "modified": timezone.now(), "scan": Scan.objects.create(bucket=bucket)}
    InventoryObject.objects.bulk_create(InventoryObject(bucket=bucket, key=f"{key}.jpg", **facts) for key in "ab")
    return {"bucket": bucket.pk, "run": "r", "any_name": False}


OPTIONS: dict[str, Callable[[Bucket], dict[str, Any]]] = {
    "purge": _trashed,
    "restore": _trashed,
    "sweep_retention": _due,
    "delete_findings": _found,
    "remove_files": _files,
    "trash_objects": lambda bucket: {"bucket": bucket.pk, "keys": list("abc"), "run": "r", "settled": ["a"]},
    "adopt_objects": _unknown,
}


@pytest.fixture
def bucket(db) -> Bucket:
    return Bucket.objects.create(name=f"b-{secrets.token_hex(4)}", role="general", accepts="any")


@pytest.fixture
def failed(admin_user):
    """A job that is over and has failed."""

    def _failed(kind: str, options: dict[str, Any]) -> Job:
        job = Job.objects.create(kind=kind, requested_by=admin_user, state="finished", options=options, scope="what")
        job.items.create(target="x", state="failed", message="S3 said no.")
        return job

    return _failed


@pytest.mark.parametrize("kind", OPTIONS)
class TestCounted:
    """Two things are left of each."""

    def test_one_click_starts_nothing_and_says_what_is_left(self, admin_client, failed, bucket, kind):
        job = failed(kind, OPTIONS[kind](bucket))

        shown = _post(admin_client, job)

        said = shown.content.decode()
        assert Job.objects.count() == 1
        assert shown.context["left"] == 2
        for words in (NOTES[kind], "S3 said no.", "Estimated price", 'name="confirm"'):
            assert words in said

    def test_many_are_confirmed_by_their_number(self, admin_client, admin_user, failed, bucket, settings, kind):
        settings.JOB_CONFIRM_ABOVE = 1
        job = failed(kind, OPTIONS[kind](bucket))

        assert "Type the number, 2, to confirm" in _said(_confirm(admin_client, job))
        assert "Type the number, 2, to confirm" in _said(_confirm(admin_client, job, typed="3"))
        assert Job.objects.count() == 1

        done = _confirm(admin_client, job, typed="2")
        new = Job.objects.get(retry_of=job)
        assert done.redirect_chain[-1][0] == f"{LIST}{new.pk}/change/"
        assert (new.options, new.requested_by) == (job.options, admin_user)

    def test_what_is_left_must_be_what_was_shown(self, admin_client, failed, bucket, kind):
        job = failed(kind, OPTIONS[kind](bucket))
        assert "has changed meanwhile" in _said(_post(admin_client, job, confirm="1", left="3"))
        assert Job.objects.count() == 1


def test_the_name_of_a_bucket_that_goes_is_typed(admin_client, failed, bucket):
    job = failed("empty_bucket", {"bucket": bucket.pk, "run": "r"})
    shown = _post(admin_client, job).content.decode()
    assert NOTES["empty_bucket"] in shown
    assert 'name="name"' in shown
    for name in ("", "b", bucket.name.upper()):
        assert "Type the name of the bucket exactly" in _said(_confirm(admin_client, job, name=name))
    assert Job.objects.count() == 1

    _confirm(admin_client, job, name=bucket.name)
    assert Job.objects.get(retry_of=job).kind == "empty_bucket"


@pytest.mark.parametrize("kind", ["purge", "restore", "empty_bucket"])
def test_where_nothing_is_left_the_page_says_so(admin_client, failed, bucket, kind):
    job = failed(kind, {"run": "r", "count": 2, "bucket": 0})
    assert "Nothing of it is left to do." in _post(admin_client, job).content.decode()
    _post(admin_client, job, confirm="1", left="0", name="")
    assert Job.objects.count() == 1


def test_a_form_sent_twice_starts_one_job(admin_client, failed):
    job = failed("sync_buckets", {})
    token = uuid4().hex
    _post(admin_client, job, confirm="1", token=token)
    new = Job.objects.get(retry_of=job)
    Job.objects.filter(pk=new.pk).update(state="finished")

    again = _post(admin_client, job, confirm="1", token=token)

    assert again.redirect_chain[-1][0] == f"{LIST}{new.pk}/change/"
    assert Job.objects.count() == 2


def test_what_is_retried_already_is_not_begun_twice(admin_client, failed):
    job = failed("sync_buckets", {})
    _confirm(admin_client, job)
    first = Job.objects.get(retry_of=job)

    second = _confirm(admin_client, job)
    assert "under way already" in _said(second)
    assert second.redirect_chain[-1][0] == f"{LIST}{first.pk}/change/"

    Job.objects.filter(pk=first.pk).update(state="finished")
    _confirm(admin_client, job)
    assert job.retries.count() == 2


def test_another_job_that_does_the_same_with_the_bucket_is_found(admin_client, failed, bucket):
    job = failed("sweep_retention", _due(bucket))
    other = Job.objects.create(kind="sweep_retention", options={"bucket": bucket.pk, "run": "s"}, state="parked")
    done = _confirm(admin_client, job)
    assert done.redirect_chain[-1][0] == f"{LIST}{other.pk}/change/"
    assert not job.retries.exists()


def test_what_does_not_fit_is_refused_with_a_trace_or_parked(admin_client, failed):
    RequestLimit.objects.filter(request_class="s3_tier1", period="month").update(limit=5, headroom=0)
    RequestCounter.objects.create(
        request_class="s3_tier1", period="month", starts=timezone.now().date().replace(day=1), used=5
    )
    job = failed("sync_buckets", {})

    refused = _confirm(admin_client, job)
    assert "does not fit into the quota" in _said(refused)
    assert "Park it until" in refused.content.decode()
    assert BlockedRequest.objects.get().operation == "sync_buckets"
    assert Job.objects.count() == 1

    _confirm(admin_client, job, button="park")
    assert Job.objects.get(retry_of=job).state == "parked"
