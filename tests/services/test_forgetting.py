"""What the back office itself has deleted or moved is out of the inventory at once, before the next one is taken."""

import pytest

from media_catalog.models import Finding, InventoryObject
from media_catalog.services import batches, reconcile, relocation, removal, renditions, transfers, trash
from tests.reconciling import listed

from .objects import put_by_hand

WAYS = {
    "trash": lambda image: trash.move_image(image=image),
    "for good": lambda image: removal.remove(image=image),
    "in batches": lambda image: _in_batches(image),
    "relocated": lambda image: relocation.relocate(image=image, to_bucket=image.bucket, to_key="new.jpg"),
}


def _in_batches(image) -> None:
    batches.delete_renditions(list(image.renditions.values_list("pk", flat=True)))
    batches.delete(image.bucket, [image])


@pytest.mark.parametrize("way", WAYS)
def test_an_image_is_no_object_without_a_row(store, originals, way):
    image = store()
    renditions.make(image=image)
    made = list(image.renditions.values_list("key", flat=True))
    listed(originals, [image.key])
    listed(originals.renditions_bucket, made)
    WAYS[way](image)

    for bucket in (originals, originals.renditions_bucket):
        reconcile.reconcile(bucket, run="look")
    assert not Finding.objects.filter(kind=Finding.Kind.OBJECT_WITHOUT_ROW).exists()
    there = InventoryObject.objects.filter(missing_since=None)
    assert not there.filter(bucket=originals).exists()
    if way != "relocated":
        assert not there.exists()
        assert not Finding.objects.exists()


@pytest.mark.parametrize("way", ["moved", "trashed"])
def test_nor_is_an_object_that_has_left_its_key(originals, way):
    for key in ("a.txt", "b.txt"):
        put_by_hand(originals, key, b"text")
    listed(originals, ["a.txt", "b.txt"])
    if way == "moved":
        transfers.run(transfers.prepare(originals, "a.txt", to_bucket=originals, to_key="c.txt", moves=True)[0])
    else:
        trash.move_object(bucket=originals, key="a.txt")

    assert InventoryObject.objects.get(missing_since=None).key == "b.txt"
