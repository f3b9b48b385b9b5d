"""Actions on findings of every sort, some of which the catalogue has settled since: the page's numbers are what S3
gets.
"""

import random
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.models import Bucket, Finding, Image, Preset, Rendition, StoredFile
from media_catalog.services import finding_costs, inventory, reconcile
from media_catalog.services import uploads as uploading
from tests.estimating import measured, shown_by
from tests.pictures import jpeg, upload_file
from tests.reconciling import BEFORE, images, thumbnails, uploads

from .buckets import new_bucket, put

pytestmark = pytest.mark.database

LIST = "/admin/media_catalog/finding/"
BODY = jpeg(90, 70)
Later = Callable[[], object]


@pytest.fixture
def places(originals) -> SimpleNamespace:
    """A bucket for each use, and one that is to be held."""
    return SimpleNamespace(
        originals=originals,
        renditions=originals.renditions_bucket,
        held=new_bucket(role="originals", accepts="images"),
        folder=new_bucket(),
    )


def _object(places: SimpleNamespace, name: str) -> None:
    put(places.originals, f"{name}.jpg", BODY)


def _no_image(places: SimpleNamespace, name: str) -> None:
    put(places.originals, f"{name}.jpg", b"text")


def _known_by_now(places: SimpleNamespace, name: str) -> Later:
    put(places.originals, f"{name}.jpg", BODY)
    return partial(images, places.originals, [f"{name}.jpg"])


def _object_with_the_longest_key(places: SimpleNamespace, name: str) -> None:
    put(places.originals, f"{name}/".ljust(1024, "k"), BODY)


def _held_object(places: SimpleNamespace, name: str) -> None:
    put(places.held, f"{name}.jpg", BODY)


def _orphan(places: SimpleNamespace, name: str) -> None:
    put(places.renditions, f"low/{name}.jpg")


def _lost_image(places: SimpleNamespace, name: str) -> None:
    """One of its renditions is lost, too."""
    [image] = images(places.originals, [f"{name}.jpg"])
    thumbnails([image], places.renditions)
    put(places.renditions, _made_before(image, places).key)


def _lost_and_held_image(places: SimpleNamespace, name: str) -> None:
    images(places.held, [f"{name}.jpg"])


def _gone_by_now(places: SimpleNamespace, name: str) -> Later:
    [image] = images(places.originals, [f"{name}.jpg"])
    return image.delete


def _lost_file(places: SimpleNamespace, name: str) -> None:
    facts = {"bucket": places.folder, "key": name, "name": name, "etag": "e", "size": 1, "description": "A file"}
    StoredFile.objects.create(**facts, created_at=timezone.now() - BEFORE)


def _lost_renditions(places: SimpleNamespace, name: str) -> None:
    """Made again, the one keeps its key and the other does not."""
    file = upload_file(BODY, f"{name}.jpg")
    image = uploading.store(file=file, name=f"{name}.jpg", caption="", bucket=places.originals, user=None)
    thumbnails([image], places.renditions)
    _made_before(image, places)


def _made_before(image: Image, places: SimpleNamespace) -> Rendition:
    facts = {"etag": "r", "size": 1, "width": 1, "height": 1, "source_etag": image.etag, "preset_version": 1}
    place = {"bucket": places.renditions, "key": f"low/{image.key}.before"}
    preset = Preset.objects.get(slug="low")
    return Rendition.objects.create(image=image, preset=preset, created_at=timezone.now() - BEFORE, **place, **facts)


def _upload(places: SimpleNamespace, name: str, *, come: bool = True, direct: bool = False, **fields: object) -> None:
    bucket, digest = places.folder if fields.get("is_file") else places.originals, sha256(BODY)
    if come:
        s3.put_object(bucket.name, name, BODY, content_type="image/jpeg", sha256=digest.digest())
    expires_at = timezone.now() - timedelta(days=2) if direct else None
    uploads(bucket, [name], sha256=digest.hexdigest(), expires_at=expires_at, **fields)


def _settled_by_now(places: SimpleNamespace, name: str) -> Later:
    [upload] = uploads(places.originals, [name])
    upload.status = "failed"
    return upload.save


SORTS = [
    _object,
    _no_image,
    _known_by_now,
    _object_with_the_longest_key,
    _held_object,
    _orphan,
    _lost_image,
    _lost_and_held_image,
    _gone_by_now,
    _lost_file,
    _lost_renditions,
    _upload,
    partial(_upload, come=False),
    partial(_upload, error="cut off"),
    partial(_upload, error="cut off", come=False),
    partial(_upload, is_file=True, caption="A file"),
    partial(_upload, direct=True),
    partial(_upload, direct=True, come=False),
    partial(_upload, direct=True, error="cancelled"),
    _settled_by_now,
]


@pytest.fixture
def found(places) -> Callable[[random.Random], None]:
    """One of each sort, in a random order and some twice, and then what has come of them since."""

    def _found(chance: random.Random) -> None:
        sorts = [*SORTS, *chance.choices(SORTS, k=4)]
        chance.shuffle(sorts)
        later = [sort(places, f"{number}") for number, sort in enumerate(sorts)]
        for _time in range(2):
            _take(places, chance, reconciled=True)
        Bucket.objects.filter(pk=places.held.pk).update(legal_hold=True)
        for change in filter(None, later):
            change()

    return _found


def _take(places: SimpleNamespace, chance: random.Random, *, reconciled: bool = False) -> None:
    """Of the buckets in any order, which is that of the findings."""
    for bucket in chance.sample(list(vars(places).values()), 4):
        inventory.sync(bucket, run=secrets.token_hex(8))
        if reconciled:
            reconcile.reconcile(bucket, run="look")


def _choose(client, action: str, findings: list[int], **data: str):
    return client.post(f"{LIST}?state=all", {"action": action, "_selected_action": findings, **data})


def _check(client, cloud, work, action: str, findings: list[int]) -> None:
    with CaptureQueriesContext(connection) as queries:
        finding_costs.cost(findings, action)
    assert len(queries) <= 5
    asked = _choose(client, action, findings).context
    fields = {"selection": asked["selection"], "token": asked["token"], "confirm": "1"}
    reserved, counted, sent = measured(cloud, lambda: _choose(client, action, findings, **fields), work)
    assert shown_by(asked) == reserved == counted == sent


def _some(chance: random.Random) -> list[int]:
    every = list(Finding.objects.order_by("pk").values_list("pk", flat=True))
    return chance.sample(every, chance.randint(len(every) * 2 // 3, len(every)))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("action", ["adopt", "recreate", "quarantine", "delete"])
def test_the_estimate_is_what_is_measured(admin_client, cloud, work, found, action, seed):
    chance = random.Random(seed)
    found(chance)

    _check(admin_client, cloud, work, action, _some(chance))


@pytest.mark.parametrize("seed", range(2))
def test_the_estimate_of_putting_back_is_what_is_measured(admin_client, cloud, work, places, seed):
    """Some find their key taken: by the catalogue, or at S3."""
    chance = random.Random(seed)
    sorts = chance.choices([_object, _orphan, _no_image], k=8)
    for number, sort in enumerate(sorts):
        sort(places, f"{number}")
    for _time in range(2):
        _take(places, chance, reconciled=True)
    _check(admin_client, cloud, work, "quarantine", _some(chance))
    away = list(Finding.objects.filter(action="quarantine").order_by("pk"))
    for finding in chance.sample(away, 3):
        chance.choice([_catalogued, _taken_at_s3, _found_gone])(finding)
    _take(places, chance)

    _check(admin_client, cloud, work, "restore", [finding.pk for finding in away])


def _catalogued(finding: Finding) -> None:
    images(finding.bucket, [finding.key])


def _taken_at_s3(finding: Finding) -> None:
    put(finding.bucket, finding.key, b"another")


def _found_gone(finding: Finding) -> None:
    """By an inventory that met a move which was then cut off."""
    Finding.objects.filter(pk=finding.pk).update(state=Finding.State.GONE, action="")
