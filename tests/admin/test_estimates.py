"""Bulk actions that take no images: the page's numbers are what their jobs reserve and S3 gets."""

import random
import re
import secrets
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import pytest
from django.urls import reverse
from django.utils import timezone

from media_catalog.admin import object_transfer
from media_catalog.aws import bucket_settings, listing, objects, s3
from media_catalog.models import Bucket, Image, Job, Preset, Rendition, StoredFile, TrashedObject
from media_catalog.services import batches, buckets, inventory, renditions, retention, trash, trash_objects
from media_catalog.services.retention import Rule
from tests.estimating import measured, shown_by
from tests.pictures import encoded, jpeg, picture
from tests.reconciling import images

from . import filing, trashing
from .buckets import LIST, keys_of, new_bucket, page, put

pytestmark = pytest.mark.database

ODD = "~"  # stands for what XML cannot carry: the local cloud lists no versions of real ones
BODY = jpeg(90, 70)


def _take(bucket: Bucket) -> None:
    inventory.sync(bucket, run=secrets.token_hex(8))


@pytest.fixture(autouse=True)
def odd(monkeypatch) -> None:
    monkeypatch.setattr(objects, "_NOT_IN_XML", re.compile(ODD))


@pytest.fixture
def agree(admin_client, cloud, work) -> Callable[..., None]:
    """Asks the page for the numbers, has its button pressed, and compares."""

    def _agree(ask: Callable, press: Callable) -> None:
        asked = ask(admin_client).context
        reserved, counted, sent = measured(cloud, lambda: press(admin_client, asked), work)
        assert shown_by(asked) == reserved == counted == sent

    return _agree


@pytest.fixture(params=range(2), ids="seed {}".format)
def chance(request) -> random.Random:
    return random.Random(request.param)


def _catalogued(bucket: Bucket, keys: list[str], *, places: list[Bucket], chance: random.Random) -> list[Image]:
    """Images, rows alone, with up to three renditions each in either of the places."""
    made = images(bucket, keys)
    presets = list(Preset.objects.order_by("pk")[:3])
    facts = {"etag": "e", "size": 1, "width": 1, "height": 1, "source_etag": "e", "preset_version": 1}
    Rendition.objects.bulk_create(
        Rendition(image=image, preset=preset, bucket=chance.choice(places), key=f"{preset.slug}/{image.key}", **facts)
        for image in made
        for preset in chance.sample(presets, chance.randint(0, 3))
    )
    return made


def _names(chance: random.Random, most: int, ending: str = ".jpg") -> list[str]:
    return [f"{number}{chance.choice(['', '', ODD])}{ending}" for number in range(chance.randint(1, most))]


def test_adoption(originals, agree, chance):
    bucket = new_bucket()
    for name in _names(chance, 9, ""):
        body, ending = chance.choice(
            [(BODY, ".JPG"), (BODY, ""), (encoded(picture(9, 9), "PNG"), ".png"), (b"", ".gif")]
        )
        put(bucket, f"{name}{ending}", chance.choice([body, b"no image"]))
    put(bucket, "one.jpg", BODY)
    put(bucket, "known.jpg", BODY)
    images(bucket, ["known.jpg"])
    _take(bucket)
    address = page(bucket, "adopt", **chance.choice([{}, {"any_name": "1"}]))

    agree(lambda client: client.get(address), lambda client, _asked: client.post(address))


def test_emptying_a_bucket(originals, store, agree, chance, monkeypatch):
    """Whatever is in it, with and without versions, and in pages of three entries."""
    monkeypatch.setattr(listing, "MAX_KEYS", 3)
    monkeypatch.setattr(listing, "list_versions", partial(listing.list_versions, size=3))
    monkeypatch.setattr(batches, "BATCH", 3)
    bucket_settings.put_versioning(originals.name, on=chance.random() < 0.7)
    names = _names(chance, 12)
    for name in [*names, *chance.choices(names, k=4)]:
        put(originals, name, BODY)
    for name in chance.sample(names, len(names) // 3):
        s3.delete_object(originals.name, name)
    places = [originals.renditions_bucket, new_bucket("renditions"), originals]
    _catalogued(originals, [*names[::2], "lost.jpg"], places=places, chance=chance)
    put(originals, "for the trash.txt")
    trash.move_object(bucket=originals, key="for the trash.txt")
    trash.move_image(image=store(BODY, name="for the trash.jpg"))
    _take(originals)
    data = {"empty": "1", "name": originals.name}

    agree(
        lambda client: client.get(page(originals, "delete")),
        lambda client, _asked: client.post(page(originals, "delete"), data),
    )

    assert not Bucket.objects.filter(pk=originals.pk).exists()
    assert not Image.everything.exists()


def test_a_sweep(originals, agree, chance, monkeypatch):
    """Three keys a request: of each bucket one at most that is not full, however many renditions an image has."""
    monkeypatch.setattr(batches, "BATCH", 3)
    places = [originals.renditions_bucket, new_bucket("renditions")]
    _catalogued(originals, _names(chance, 12), places=places, chance=chance)
    retention.change(originals, Rule(expire_after=900), username="editor", reason="tidy")
    of_each = [Image.objects.all(), *(Rendition.objects.filter(bucket=place) for place in places)]
    counts = [rows.exclude(key__contains=ODD).count() for rows in of_each]
    assert retention.cost(originals)["s3_tier1"] == sum(-(-count // 3) - (count % 3 == 1) for count in counts)
    address = page(originals, "retention_preview")

    agree(
        lambda client: client.get(address),
        lambda client, asked: client.post(address, {"rule": asked["rule_value"], "reason": "Seen", "on": "1"}),
    )

    assert not Image.objects.exists()


@pytest.mark.parametrize("role", ["originals", "renditions", "general"])
def test_moving_objects_to_the_trash(originals, store, agree, role, monkeypatch):
    """With images, renditions or files, which another page removes."""
    monkeypatch.setattr(trash_objects, "AT_ONCE", 0)
    chance = random.Random(role)
    bucket = {"originals": originals, "renditions": originals.renditions_bucket}.get(role) or new_bucket()
    keys = [*_names(chance, 6), "trash/1"]
    for key in keys:
        put(bucket, key)
    if role == "originals":
        _catalogued(bucket, ["lost.jpg"], places=[originals.renditions_bucket], chance=chance)
        Image.objects.update(missing_since=timezone.now())
        keys += ["lost.jpg", *(store(BODY, name=f"{number}.jpeg").key for number in range(2))]
    elif role == "renditions":
        image = store(BODY)
        renditions.make(image=image)
        keys += list(image.renditions.values_list("key", flat=True))[:3]
    else:
        keys.append(filing.stored_file(bucket).key)
    chosen = [quote(key, safe="") for key in keys]

    agree(
        lambda client: client.post(page(bucket, "remove"), {"keys": chosen}),
        lambda client, _asked: client.post(page(bucket, "remove"), {"keys": chosen, "confirm": "1"}),
    )


def test_moving_an_image(originals, store, agree, chance):
    image = store(BODY)
    renditions.make(image=image)
    for rendition in chance.sample(list(image.renditions.all()), chance.randint(1, 4)):
        renditions.delete_one(rendition=rendition)
    address, form = page(originals, "copy", key=image.key), {"how": "move", "bucket": originals.pk, "key": "a/b.jpg"}

    agree(
        lambda client: client.post(address, form),
        lambda client, asked: client.post(address, {**form, "token": asked["token"], "confirm": "1"}),
    )

    assert Image.objects.get().key == "a/b.jpg"


@pytest.mark.parametrize("how", ["move", "copy"])
def test_a_large_object(originals, agree, how, monkeypatch):
    monkeypatch.setattr(object_transfer, "AT_ONCE_BYTES", 3)
    bucket = new_bucket()
    put(bucket, "old")
    address, form = page(bucket, "copy", key="old"), {"how": how, "bucket": bucket.pk, "key": "new"}

    agree(
        lambda client: client.post(address, form),
        lambda client, asked: client.post(
            address, {**form, "etag": asked["etag"], "token": asked["token"], "confirm": "1"}
        ),
    )

    assert keys_of(bucket) == (["new"] if how == "move" else ["new", "old"])


def test_moving_files_to_the_trash(originals, agree, chance, monkeypatch):
    monkeypatch.setattr(trash_objects, "AT_ONCE", 0)
    folder, held = new_bucket(), new_bucket(legal_hold=True)
    for number in range(chance.randint(2, 7)):
        file = filing.stored_file(chance.choice([folder, folder, held]), f"{number}.txt")
        if chance.random() < 0.3:
            s3.delete_object(file.bucket.name, file.key)
            StoredFile.objects.filter(pk=file.pk).update(missing_since=timezone.now())
    filing.stored_file(folder, "one.txt")
    chosen = list(StoredFile.objects.all())

    agree(
        lambda client: filing.choose(client, chosen),
        lambda client, asked: filing.choose(
            client, chosen, selection=asked["selection"], token=asked["token"], confirm="1"
        ),
    )


def _trashed(chance: random.Random) -> Bucket:
    """Some of them several times under the same key, of which some are taken by now, too: as the inventory knows."""
    bucket = new_bucket()
    for number in chance.choices(range(6), k=chance.randint(3, 8)):
        key = f"folder/{number}.txt"
        put(bucket, key, f"{chance.random()}".encode())
        trash.move_object(bucket=bucket, key=key)
    for number in chance.sample(range(6), 3):
        put(bucket, f"folder/{number}.txt")
    put(bucket, "folder/1-2.txt")
    images(bucket, ["folder/2-2.txt", "folder/3.txt"])
    _take(bucket)
    return bucket


@pytest.mark.parametrize("action", ["restore", "purge"])
def test_restoring_and_purging(originals, agree, chance, action):
    _trashed(chance)
    rows = list(TrashedObject.objects.all())
    chosen = chance.sample(rows, chance.randint(1, len(rows)))

    agree(
        lambda client: trashing.act(client, action, chosen),
        lambda client, asked: trashing.act(
            client, action, chosen, selection=asked["selection"], token=asked["token"], confirm="1"
        ),
    )


def test_inventories_and_looks(originals, admin_client, cloud, work, chance, monkeypatch):
    """Their buttons say what they cost in words. One inventory was cut off, and is taken over."""
    monkeypatch.setattr(listing, "MAX_KEYS", 3)
    monkeypatch.setattr(listing, "list_versions", partial(listing.list_versions, size=3))
    bucket = new_bucket()
    for name in _names(chance, 9):
        put(bucket, name)
    _take(bucket)
    if chance.random() < 0.7:
        with monkeypatch.context() as cut:
            cut.setattr(inventory, "TURN_SECONDS", 0)
            inventory.sync(bucket, run="cut off")
        Job.objects.create(kind="sync_inventory", state=Job.State.CANCELLED, options={"run": "cut off"})
    buckets.sync()  # other tests have left buckets, perhaps more than one LIST tells
    sync = reverse("admin:media_catalog_bucket_sync")
    for address in (sync, page(bucket, "take_inventory"), page(bucket, "reconcile"), sync):
        said = admin_client.get(page(bucket, "inventory")).content.decode()
        reserved, counted, sent = measured(cloud, partial(admin_client.post, address), work)
        assert reserved == counted == sent
        if "take" in address:
            assert f"about {sent['s3_tier1']} PUT-class request" in said
    assert "1 LIST request for each 1,000 buckets" in admin_client.get(LIST).content.decode()
