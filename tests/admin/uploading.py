"""Direct uploads through their page, asked as its script asks, as tests of them need it."""

import hashlib

import pytest

from media_catalog.models import RequestLimit
from tests.pictures import jpeg
from tests.services.direct import TIERS, figures

URL = "/admin/media_catalog/image/add/"


@pytest.fixture
def page(client, originals, staff_with):
    """The page of a user who may add and see images."""
    client.user = staff_with("add_image", "view_image", "make_renditions_image")
    client.force_login(client.user)
    return client


def ask(page, name, **body):
    return page.post(f"{URL}{name}/", body, content_type="application/json")


def file(name="photo.jpg", body=b"", **values):
    facts = {"name": name, "type": "image/jpeg", "size": len(body or jpeg(60, 40)), "sha256": ""}
    return {**facts, **({"sha256": hashlib.sha256(body).hexdigest()} if body else {}), **values}


def begin(page, bucket, *files, **values):
    response = ask(page, "begin", **{"bucket": bucket.pk, "folder": "press", "caption": "", "files": files, **values})
    return response.json()["files"] if response.status_code == 200 else response


def send(page, bucket, post, name="photo.jpg", body=None, **values):
    """From the choice to the catalogue."""
    [form] = begin(page, bucket, file(name), **values)
    assert post(form, body) == 204
    return form, ask(page, "finish", uuid=form["uuid"], **values).json()


def key_of(form, plain):
    """The key with the digits of the upload, so that nobody else has it."""
    stem, extension = plain.rsplit(".", 1)
    return f"{stem}-{form['uuid'][:8]}.{extension}"


def no_more_than_held():
    """Let the limits leave nothing but what is reserved."""
    for tier, used, held in zip(TIERS, figures("used"), figures("held"), strict=True):
        RequestLimit.objects.filter(request_class=tier).update(limit=used + held)
