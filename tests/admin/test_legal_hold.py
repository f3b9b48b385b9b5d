"""A bucket under legal hold: set by those who may, and its images offer no removal."""

import pytest
from django.contrib.admin.models import LogEntry

from media_catalog.models import Bucket, Image, Job, JobItem
from media_catalog.services import buckets

BUCKETS = "/admin/media_catalog/bucket/"
IMAGES = "/admin/media_catalog/image/"


@pytest.fixture
def held(originals) -> Bucket:
    Bucket.objects.filter(pk=originals.pk).update(legal_hold=True)
    originals.refresh_from_db()
    return originals


def _remove(client, images, **fields):
    data = {"action": "remove", "_selected_action": [image.pk for image in images], **fields}
    return client.post(IMAGES, data, follow=True)


RULE = {
    "upload_rule": "none",
    "rule_width": "1024",
    "rule_height": "786",
    "resize_engine": "worker",
    "inventory_every": "0",
}


def test_it_is_set_with_the_permission_to_change_buckets(client, originals, staff_with):
    change = f"{BUCKETS}{originals.pk}/change/"
    client.force_login(staff_with("view_bucket"))
    assert client.post(change, {"legal_hold": "on"}).status_code == 403

    client.force_login(staff_with("view_bucket", "change_bucket"))
    assert "other tools still can" in client.get(change).content.decode()
    client.post(change, RULE | {"legal_hold": "on"})
    originals.refresh_from_db()
    assert originals.legal_hold
    assert "Legal hold" in LogEntry.objects.get().get_change_message()
    shown = client.get(f"{BUCKETS}?legal_hold__exact=1")
    assert [bucket.name for bucket in shown.context["cl"].result_list] == [originals.name]
    assert '<span class="bo-tag bo-skipped">Legal hold</span>' in shown.content.decode()
    client.post(change, RULE)
    originals.refresh_from_db()
    assert not originals.legal_hold


def test_it_outlives_a_synchronisation(held):
    buckets.sync()
    held.refresh_from_db()
    assert held.legal_hold


def test_the_page_of_an_image_says_so_and_offers_no_removal(admin_client, store, held):
    change = f"{IMAGES}{store().pk}/change/"
    page = admin_client.get(change).content.decode()
    assert "Legal hold" in page
    assert "Move to trash…" not in page

    Bucket.objects.update(legal_hold=False)
    page = admin_client.get(change).content.decode()
    assert "Legal hold" not in page
    assert "Move to trash…" in page


def test_a_removal_of_held_images_alone_is_nothing_to_do_and_why(admin_client, store, held):
    response = _remove(admin_client, [store(), store()])

    page = response.content.decode()
    assert "There is nothing to do for these images." in page
    assert "2 images are in buckets under legal hold" in page
    assert 'name="confirm"' not in page


def test_a_hold_that_is_set_after_the_confirmation_holds(admin_client, store, originals, work):
    image = store()
    page = _remove(admin_client, [image])
    shown = {name: page.context[name] for name in ("selection", "counted_options")}
    _remove(admin_client, [image], **shown, confirm="1")
    Bucket.objects.filter(pk=originals.pk).update(legal_hold=True)

    work()

    item = Job.objects.get().items.get()
    assert (item.state, item.code) == (JobItem.State.SKIPPED, "held")
    assert item.message == "The bucket is under legal hold: its images must not be removed."
    assert Image.objects.exists()
