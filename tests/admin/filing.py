"""Files through their pages, as tests of them need them."""

import re

import pytest
from django.db import DatabaseError

from media_catalog.aws import listing
from media_catalog.exceptions import AwsUnavailable
from media_catalog.models import Bucket, StoredFile
from media_catalog.services import (
    files,
)
from tests.pictures import upload_file

from .buckets import new_bucket

LIST = "/admin/media_catalog/storedfile/"
TRASH = "/admin/media_catalog/trashedobject/"
BUTTON = "Move to trash…</button>"
ADD = f"{LIST}add/"
DESCRIPTION = "The yearly report"


@pytest.fixture
def folder(originals) -> Bucket:
    return new_bucket()


def send(client, bucket, body=b"content", name="report.pdf", **fields):
    data = {"file": upload_file(body, name), "bucket": bucket.pk, "description": DESCRIPTION, **fields}
    return client.post(ADD, data, follow=True)


def stored_file(bucket, name="report.txt", **fields) -> StoredFile:
    stored = files.store(
        file=upload_file(b"content", name), name=name, description=DESCRIPTION, bucket=bucket, user=None
    )
    StoredFile.objects.filter(pk=stored.pk).update(**fields)
    stored.refresh_from_db()
    return stored


def keys_of(bucket) -> list[str]:
    return [entry.key for entry in listing.list_page(bucket.name).objects]


def choose(client, chosen, **fields):
    data = {"action": "remove", "_selected_action": [file.pk for file in chosen], **fields}
    return client.post(LIST, data, follow=True)


def delete(client, chosen, **fields):
    page = choose(client, chosen)
    shown = {name: page.context[name] for name in ("selection", "token")}
    return choose(client, chosen, **{**shown, "confirm": "1", **fields})


def undo_fields(said) -> dict[str, str]:
    return dict(re.findall(r'name="(run|next)" value="([^"]*)"', said))


def errors_of(response) -> dict[str, list[str]]:
    return {name: list(errors) for name, errors in response.context["form"].errors.items()}


def many_files(bucket, count) -> None:
    facts = {"bucket": bucket, "etag": "e", "size": 1, "content_type": "text/plain", "description": DESCRIPTION}
    StoredFile.objects.bulk_create(StoredFile(key=f"{n}.txt", name=f"{n}.txt", **facts) for n in range(count))


def fail(*args, **options):
    raise DatabaseError


def die(*args, **options):
    raise SystemExit


def away(*args, **options):
    raise AwsUnavailable("no answer")


def named_file(bucket, name) -> None:
    facts = {"bucket": bucket, "etag": "e", "size": 1, "content_type": "text/plain", "description": DESCRIPTION}
    StoredFile.objects.create(key=f"of {name}", name=name, unique_name=True, **facts)
