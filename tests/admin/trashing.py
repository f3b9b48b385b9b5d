"""The trash through its pages, as tests of them need it."""

import re
from urllib.parse import quote

import pytest

from media_catalog.aws import listing
from media_catalog.models import Bucket, Job, Preset

from .buckets import messages_of, new_bucket, page

LIST = "/admin/media_catalog/trashedobject/"
IMAGES = "/admin/media_catalog/image/"
UNDO = f"{LIST}undo/"


@pytest.fixture
def bucket(originals) -> Bucket:
    return new_bucket()


@pytest.fixture(autouse=True)
def two_presets(db):
    Preset.objects.exclude(slug__in=["thumbnail", "low"]).update(active=False)


def keys_of(bucket) -> list[str]:
    return [entry.key for entry in listing.list_page(bucket.name).objects]


def remove(client, bucket, *keys, **fields):
    data = {"keys": [quote(key, safe="") for key in keys], "confirm": "1", **fields}
    return client.post(page(bucket, "remove"), data, follow=True)


def act(client, action, rows, **fields):
    data = {"action": action, "_selected_action": [row.pk for row in rows], "select_across": "0", **fields}
    return client.post(LIST, data)


def confirm(client, action, rows, **fields):
    shown = act(client, action, rows, **fields).context
    return act(client, action, rows, selection=shown["selection"], token=shown["token"], confirm="1", **fields)


def trash_images(client, work, *images) -> Job:
    data = {"action": "remove", "_selected_action": [image.pk for image in images], "select_across": "0"}
    shown = client.post(IMAGES, data).context
    fields = {name: shown[name] for name in ("selection", "counted_options")}
    client.post(IMAGES, {**data, **fields, "confirm": "1"})
    work()
    return Job.objects.get(kind="remove_images")


def undo_fields(response) -> dict[str, str]:
    form = next(message for message in messages_of(response) if "bo-undo" in message)
    return dict(re.findall(r'name="(run|next)" value="([^"]*)"', form))
