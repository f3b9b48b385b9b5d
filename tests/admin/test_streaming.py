"""Downloads through this site: of files, and of what no link can carry."""

import gc

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.urls import reverse

from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import Image, Rendition, RequestUsage, StoredFile
from media_catalog.services import renditions
from tests.aws.faults import RESET, serving
from tests.pictures import jpeg

from .buckets import messages_of, new_bucket, page, put
from .filing import stored_file

BODY = jpeg()
ODD = ["a//b.jpg", "/lead.jpg", "x/../y.jpg"]


def _file(originals, store, key) -> str:
    bucket = new_bucket()
    put(bucket, key, BODY)
    return reverse("admin:media_catalog_storedfile_download", args=[stored_file(bucket, "b.html", key=key).pk])


def _original(originals, store, key) -> str:
    image = store(BODY)
    put(originals, key, BODY)
    Image.objects.update(key=key)
    return reverse("admin:media_catalog_image_original", args=[image.pk])


def _object(originals, store, key) -> str:
    bucket = new_bucket()
    put(bucket, key, BODY)
    return page(bucket, "download", key=key)


DOORS = [_file, _original, _object]
CASES = [(_file, "plain.jpg"), *((door, key) for door in DOORS for key in ODD)]


@pytest.mark.parametrize(("door", "key"), CASES)
def test_all_bytes_by_one_get_to_be_saved_and_never_guessed(admin_client, originals, store, cloud, door, key):
    address = door(originals, store, key)
    mark = cloud.access_log.mark()

    answer = admin_client.get(address)

    assert b"".join(answer.streaming_content) == BODY
    assert answer["Content-Length"] == str(len(BODY))
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["Content-Type"] == ("image/jpeg" if door is _original else "application/octet-stream")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private, no-store")
    assert answer["Accept-Ranges"] == "none"
    assert cloud.access_log.operations(mark) == {"GetObject": 1}
    assert RequestUsage.objects.get(operation="GetObject").count == 1


@pytest.mark.parametrize("door", DOORS)
def test_one_that_is_gone_is_said(admin_client, originals, store, door):
    address = door(originals, store, ODD[0])
    for bucket in {originals, *(file.bucket for file in StoredFile.objects.all())}:
        s3.delete_object(bucket.name, ODD[0])
    if door is _object:
        address = address.replace("b.jpg", "gone.jpg")

    shown = admin_client.get(address, follow=True)

    assert shown.redirect_chain
    words = "There is no object under this key" if door is _object else "The object no longer exists at S3."
    assert words in shown.content.decode()


@pytest.mark.parametrize("door", DOORS)
def test_there_are_so_many_at_a_time_and_a_place_is_free_when_one_ends(
    admin_client, originals, store, cloud, settings, door
):
    settings.WEB_DOWNLOADS = 1
    address = door(originals, store, ODD[0])
    first = admin_client.get(address)
    mark = cloud.access_log.mark()

    assert "Too many downloads" in messages_of(admin_client.get(address, follow=True))[0]
    assert "GetObject" not in cloud.access_log.operations(mark)

    _close(first)
    for _time in range(2):
        assert b"".join(admin_client.get(address).streaming_content) == BODY


def _close(answer) -> None:
    """As the web server does, be it because the browser has gone; but leave the test its database."""
    request_finished.disconnect(close_old_connections)
    answer.close()
    request_finished.connect(close_old_connections)


def test_an_answer_that_nobody_reads_or_closes_keeps_no_place(admin_client, originals, store, settings):
    settings.WEB_DOWNLOADS = 1
    address = _file(originals, store, "plain.jpg")

    admin_client.get(address)
    gc.collect()

    assert b"".join(admin_client.get(address).streaming_content) == BODY


def test_a_fault_keeps_no_place(admin_client, originals, store, settings, cloud):
    settings.WEB_DOWNLOADS = 1
    address = _file(originals, store, "plain.jpg")
    with serving() as server:
        server.script.extend([RESET] * 10)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        assert "could not be reached" in messages_of(admin_client.get(address, follow=True))[0]

    settings.AWS_ENDPOINT_URL = cloud.endpoint_url
    forget_clients()
    assert b"".join(admin_client.get(address).streaming_content) == BODY


@pytest.mark.parametrize("key", ODD)
def test_a_rendition_is_shown_as_a_link_would(admin_client, originals, store, cloud, key):
    image = store()
    renditions.make(image=image)
    rendition = image.renditions.get(preset__slug="thumbnail")
    body = s3.get_object(rendition.bucket.name, rendition.key).body
    put(rendition.bucket, key, body)
    Rendition.objects.filter(pk=rendition.pk).update(key=key)

    answer = admin_client.get(reverse("admin:media_catalog_image_rendition", args=[image.pk, "thumbnail"]))

    assert b"".join(answer.streaming_content) == body
    assert answer["Content-Type"] == rendition.content_type
    assert answer["Content-Disposition"] == "inline"
    assert answer["X-Content-Type-Options"] == "nosniff"
