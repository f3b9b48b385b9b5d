"""Findings, and what staff do about them, as tests of them need it."""

import secrets
from datetime import timedelta

import pytest
from django.utils import timezone

from media_catalog.aws import listing, s3
from media_catalog.models import Bucket, Finding, Image, Job, JobItem, Preset
from media_catalog.services import inventory, reconcile
from media_catalog.services import renditions as making
from tests.pictures import jpeg
from tests.reconciling import uploads

from .buckets import page, put

LIST = "/admin/media_catalog/finding/"
Kind, State = Finding.Kind, Finding.State


@pytest.fixture
def take(admin_client, work):
    """Takes inventories of these buckets through their pages, twice as nothing else is said."""

    def _take(*buckets: Bucket, times: int = 2) -> None:
        for _time in range(times):
            for bucket in buckets:
                admin_client.post(page(bucket, "take_inventory"))
                work()

    return _take


@pytest.fixture
def act(admin_client, work):
    """Confirms an action on all findings that the list shows and has it done; the item of its job."""

    def _act(action: str, *, client=admin_client, **more: str) -> JobItem | None:
        asked = choose(client, action)
        if asked.context is None or "selection" not in asked.context:
            return None
        fields = dict(selection=asked.context["selection"], token=asked.context["token"], confirm="1", **more)
        done = choose(client, action, **fields)
        if done.status_code != 302:
            return None
        work()
        return Job.objects.latest("pk").items.get()

    return _act


def choose(client, action: str, **data: str):
    ids = list(Finding.objects.values_list("pk", flat=True))
    return client.post(f"{LIST}?state=all", {"action": action, "_selected_action": ids, **data})


@pytest.fixture
def found(originals, store, take) -> Bucket:
    """One of each kind, open, in a bucket for originals and in that of its renditions."""
    gone, unmade = store(name="gone.jpg"), store(name="unmade.jpg")
    making.make_one(image=unmade, preset=Preset.objects.get(slug="low"))
    making.make_one(image=unmade, preset=Preset.objects.get(slug="thumbnail"))
    renditions = originals.renditions_bucket
    assert renditions
    for image in (gone, unmade):
        Image.objects.filter(pk=image.pk).update(created_at=timezone.now() - timedelta(days=1))
    s3.delete_object(originals.name, gone.key)
    put(originals, "other/new.jpg", jpeg())
    put(renditions, "low/orphan.jpg", b"pixels")
    lost = unmade.renditions.get(preset__slug="low")
    s3.delete_object(renditions.name, lost.key)
    uploads(originals, ["stale.jpg"])
    for bucket in (originals, renditions, originals, renditions):
        inventory.sync(bucket, run=secrets.token_hex(8))
        reconcile.reconcile(bucket, run="look")
    return originals


def one(kind: Kind, **conditions: object) -> Finding:
    return Finding.objects.get(kind=kind, **conditions)


def keys(bucket: Bucket) -> set[str]:
    return {entry.key for entry in listing.list_page(bucket.name).objects}
