"""The upload page, as a browser posts to it."""

import io

import PIL.Image
import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import InterfaceError, OperationalError
from django.urls import reverse

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.imaging.formats import extension
from media_catalog.models import Image, Job, RequestClass, RequestCounter, RequestLimit
from media_catalog.services import arrivals
from tests.aws.faults import Answer, s3_error, serving
from tests.imaging import test_hostile as hostile
from tests.imaging.pictures import jpeg_of
from tests.pictures import bomb, encoded, jpeg, picture, upload_file

URL = "/admin/media_catalog/image/add/"


def _post(client, bucket, *files, **fields):
    return client.post(URL, {"images": list(files), "bucket": bucket.pk, "caption": "", **fields}, follow=True)


def _messages(response):
    return [str(message) for message in response.context["messages"]]


def test_several_files_are_stored_with_their_caption(admin_client, originals, admin_user):
    files = [upload_file(jpeg(), "a.jpg"), upload_file(encoded(picture(), "PNG"), "b.png")]

    response = _post(admin_client, originals, *files, caption="Press day")

    assert response.redirect_chain == [(reverse("admin:media_catalog_image_changelist"), 302)]
    assert _messages(response) == ["2 images uploaded."]
    assert set(Image.objects.values_list("key", "caption")) == {("a.jpg", "Press day"), ("b.png", "Press day")}
    assert Image.objects.first().uploaded_by == admin_user
    assert LogEntry.objects.filter(action_flag=ADDITION, user=admin_user).count() == 2


def test_a_big_file_is_streamed_from_disk(admin_client, originals, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000

    _post(admin_client, originals, upload_file(jpeg(), "big.jpg"))

    assert Image.objects.get().size == len(jpeg())


def test_making_renditions_is_started_when_asked(admin_client, originals, work):
    response = _post(admin_client, originals, upload_file(jpeg()), make_renditions="on")

    job = Job.objects.get()
    assert job.estimate == {"s3_tier1": 5, "s3_tier2": 1}
    said, main = _messages(response)
    assert f"/job/{job.pk}/" in said
    assert "/rendition/high/" in main
    assert "High (625 × 480)" in main
    work()
    assert Image.objects.get().renditions.count() == 6


@pytest.mark.parametrize(
    ("body", "name", "said"),
    [
        (b"", "empty.jpg", "The file is empty (0 bytes)."),
        (b"<!DOCTYPE html><html></html>", "page.jpg", "it looks like HTML. Accepted are JPEG, PNG, WebP."),
        (
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
            "drawing.svg",
            "it looks like SVG. Accepted",
        ),
        (b"just some text", "notes.jpg", "This is not an image. Accepted are JPEG, PNG, WebP."),
        (
            jpeg()[:3000],
            "cut.jpg",
            "The image is damaged: it cannot be read to its end. Accepted are whole files of JPEG,",
        ),
        (encoded(picture(), "GIF"), "moving.gif", "This is a GIF file; accepted are JPEG, PNG, WebP."),
        (bomb(), "bomb.png", "50,000 × 50,000 pixels; at most 50,000,000 pixels"),
        (encoded(picture(), "TIFF"), "scan.jpg", "This is a TIFF file; accepted are JPEG, PNG, WebP."),
    ],
)
def test_a_bad_file_is_named_with_its_reason_and_the_others_go_on(admin_client, originals, settings, body, name, said):
    settings.IMAGE_FORMATS = ("JPEG", "PNG", "WEBP")
    response = _post(admin_client, originals, upload_file(body, name), upload_file(jpeg(), "good.jpg"))

    assert response.status_code == 200
    first, second = _messages(response)
    assert name in first
    assert said in first
    assert second == "1 image uploaded."
    assert Image.objects.get().key == "good.jpg"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: hostile.SCRIPT + jpeg(), "This is not an accepted image, it looks like HTML. Accepted are"),
        (lambda: hostile.archive() + jpeg(), "This is not an accepted image, it looks like ZIP. Accepted are"),
        (lambda: b"<?php system($_GET['x']); ?>" + jpeg(), "This is not an image. Accepted are"),
        (
            lambda: b"GIF89a" + hostile.SCRIPT + jpeg(),
            "The image is damaged: it cannot be read to its end. Accepted are",
        ),
        (lambda: hostile.progressive(100_000), "The image is damaged: it cannot be read to its end. Accepted are"),
        (lambda: jpeg_of(0xC1, 12), "This is a JPEG (12-bit) file; accepted are"),
    ],
    ids=["HTML+JPEG", "ZIP+JPEG", "PHP+JPEG", "GIF header+script", "scans", "12 bits"],
)
def test_a_file_that_only_claims_to_be_a_picture_of_ours_is_refused(admin_client, originals, build, said):
    file = SimpleUploadedFile("photo.jpg", build(), content_type="image/jpeg")
    [refused] = _messages(_post(admin_client, originals, file))

    assert f"{said} " in refused
    assert refused.endswith("JPEG, PNG, WebP, GIF, AVIF, TIFF.")
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("build", "claimed", "found"),
    [
        (lambda: jpeg() + hostile.archive(), "image/jpeg", "image/jpeg"),
        (lambda: jpeg() + hostile.SCRIPT, "text/html", "image/jpeg"),
        (hostile.png_with_chunk, "application/x-php", "image/png"),
        (hostile.gif_without_end, "image/jpeg", "image/gif"),
    ],
    ids=["JPEG+ZIP", "JPEG+HTML+PHP", "PNG with PHP", "endless GIF"],
)
def test_a_picture_that_is_something_else_too_is_served_as_pixels_only(admin_client, originals, build, claimed, found):
    """Whatever its name and Content-Type say."""
    file = SimpleUploadedFile("evil.html", build(), content_type=claimed)
    _post(admin_client, originals, file, make_renditions="on")

    image = Image.objects.get()
    assert (image.content_type, image.key.rpartition(".")[2]) == (found, extension(image.format))
    assert image.animated == (found == "image/gif")
    rendition = image.renditions.get()
    content = s3.get_object(rendition.bucket.name, rendition.key)
    assert content.content_type == rendition.content_type
    assert not any(word in content.body for word in (b"script", b"php", b"evil", b"PK\3\4"))
    with PIL.Image.open(io.BytesIO(content.body)) as picture:
        assert (picture.get_format_mimetype(), picture.size) == (
            rendition.content_type,
            (rendition.width, rendition.height),
        )
        picture.load()


def test_limits_are_named_in_the_refusal_and_on_the_page(admin_client, originals, settings):
    settings.IMAGE_MAX_BYTES = 2000
    assert "2.0\xa0KB" in admin_client.get(URL).content.decode()
    assert "at most 2.0\xa0KB are accepted" in _messages(_post(admin_client, originals, upload_file(jpeg())))[0]

    settings.IMAGE_MAX_BYTES, settings.IMAGE_MAX_PIXELS = 10**7, 1234
    [said] = _messages(_post(admin_client, originals, upload_file(jpeg())))
    assert "640 × 480 pixels; at most 1,234 pixels" in said


@pytest.mark.parametrize("folder", ["trash", "quarantine/7"])
def test_folders_of_the_products_own_are_refused(admin_client, originals, cloud, folder):
    mark = cloud.access_log.mark()
    [said] = _messages(_post(admin_client, originals, upload_file(jpeg(), "a.jpg"), folder=folder))

    assert "trash/" in said
    assert not Image.objects.exists()
    assert not cloud.access_log.operations(mark)


def test_a_file_name_is_escaped(admin_client, originals):
    response = _post(admin_client, originals, upload_file(b"x", "<img src=x>.jpg"))

    assert "<img src=x>" not in response.content.decode()
    assert "&lt;img src=x&gt;.jpg" in response.content.decode()


def test_no_file_is_a_field_error(admin_client, originals):
    response = _post(admin_client, originals)

    assert response.context["form"].errors["images"] == ["This field is required."]
    assert not Image.objects.exists()


def test_too_many_files_are_refused_as_a_whole(admin_client, originals, settings):
    settings.UPLOAD_MAX_FILES = 2

    response = _post(admin_client, originals, *(upload_file(jpeg(), f"{n}.jpg") for n in range(3)))

    assert "at most 2" in response.context["form"].errors["images"][0]
    assert not Image.objects.exists()


def test_only_buckets_for_originals_are_offered(admin_client, originals):
    response = _post(admin_client, originals.renditions_bucket, upload_file(jpeg()))

    assert "bucket" in response.context["form"].errors
    assert not Image.objects.exists()


def test_without_a_bucket_the_page_says_what_to_do(admin_client, db):
    assert "create_buckets" in admin_client.get(URL).content.decode()


NOT_TRIED = "This file was not tried."


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([s3_error(500, "InternalError")] * 3, "could not be reached"),
        ([s3_error(403, "AccessDenied"), Answer(status=404)], "denied access"),
    ],
)
def test_an_s3_that_fails_is_tried_with_one_file_only(admin_client, originals, settings, answers, said):
    with serving() as server:
        server.script.extend(answers)
        settings.AWS_ENDPOINT_URL = server.url
        forget_clients()
        response = _post(admin_client, originals, *(upload_file(jpeg(), name) for name in ("a.jpg", "b.jpg", "c.jpg")))

    first, second, third = _messages(response)
    assert "a.jpg" in first
    assert NOT_TRIED not in first
    for name, message in [("b.jpg", second), ("c.jpg", third)]:
        assert name in message
        assert NOT_TRIED in message
    assert all(said in message for message in (first, second, third))
    assert "by script" not in response.content.decode()
    assert {request.path for request in server.log} == {f"/{originals.name}/a.jpg"}
    assert not Image.objects.exists()


def test_the_limit_reached_refuses_the_rest(admin_client, originals):
    spent = RequestCounter.objects.get(request_class=RequestClass.S3_TIER1, period="month").used
    RequestLimit.objects.filter(request_class=RequestClass.S3_TIER1).update(limit=spent + 1)

    response = _post(admin_client, originals, *(upload_file(jpeg(), name) for name in ("a.jpg", "b.jpg", "c.jpg")))

    refused, not_tried, stored = _messages(response)
    assert "Refused by quota" in refused
    assert NOT_TRIED not in refused
    assert "Refused by quota" in not_tried
    assert NOT_TRIED in not_tried
    assert stored == "1 image uploaded."
    assert Image.objects.get().key == "a.jpg"


@pytest.mark.parametrize("error", [OperationalError("disk full"), InterfaceError("gone"), MemoryError()])
def test_a_failing_server_is_said_for_the_file_and_the_others_go_on(admin_client, originals, monkeypatch, error):
    def failing(*, upload, **kwargs):
        if upload.name == "b.jpg":
            raise error
        return record(upload=upload, **kwargs)

    record = arrivals.record
    monkeypatch.setattr(arrivals, "record", failing)
    response = _post(admin_client, originals, *(upload_file(jpeg(), name) for name in ("a.jpg", "b.jpg", "c.jpg")))

    refused, stored = _messages(response)
    assert "b.jpg" in refused
    assert "could not be stored" in refused
    assert stored == "2 images uploaded."
    assert set(Image.objects.values_list("key", flat=True)) == {"a.jpg", "c.jpg"}
    assert set(LogEntry.objects.values_list("object_repr", flat=True)) == {"a.jpg", "c.jpg"}
    assert s3.head_object(originals.name, "b.jpg") is None


def test_too_little_memory_for_a_file_is_said_and_the_others_go_on(admin_client, originals, memory_is_back):
    scan = upload_file(encoded(picture(), "TIFF"), "scan.tif")
    response = _post(admin_client, originals, scan, upload_file(jpeg(), "b.jpg"))

    refused, stored = _messages(response)
    assert "scan.tif" in refused
    assert "too little memory for this image. Try again later." in refused
    assert stored == "1 image uploaded."


def test_an_upload_waits_for_no_decoder_that_hangs(admin_client, originals, instead_of_python, settings):
    instead_of_python("exec sleep 60")
    settings.WEB_DECODING_SECONDS = 0.1
    scan = upload_file(encoded(picture(), "TIFF"), "scan.tif")
    response = _post(admin_client, originals, scan, upload_file(jpeg(), "b.jpg"))

    refused, stored = _messages(response)
    assert "took too long" in refused
    assert stored == "1 image uploaded."


def test_renditions_that_cannot_be_started_do_not_lose_the_report(admin_client, originals, monkeypatch):
    def failing(**kwargs):
        raise OperationalError("disk full")

    monkeypatch.setattr(jobs, "start", failing)
    response = _post(admin_client, originals, upload_file(jpeg()), make_renditions="on")

    warned, stored, _main = _messages(response)
    assert "are stored, but" in warned
    assert stored == "1 image uploaded."
    assert LogEntry.objects.get().object_repr == "photo.jpg"


def test_renditions_are_offered_and_made_only_with_their_permission(client, originals, staff_with):
    client.force_login(staff_with("add_image", "view_image"))
    assert "make_renditions" not in client.get(URL).context["form"].fields
    assert _messages(_post(client, originals, upload_file(jpeg()), make_renditions="on")) == ["1 image uploaded."]
    assert not Job.objects.exists()

    client.force_login(staff_with("add_image", "view_image", "make_renditions_image"))
    assert "make_renditions" in client.get(URL).context["form"].fields
    _post(client, originals, upload_file(jpeg()), make_renditions="on")
    assert Job.objects.get().kind == "make_renditions"


def test_who_may_only_add_stays_on_the_page(client, originals, staff_with):
    client.force_login(staff_with("add_image"))
    images = reverse("admin:media_catalog_image_changelist")
    assert f'href="{images}"' not in client.get(URL).content.decode()

    response = _post(client, originals, upload_file(jpeg()))

    assert response.redirect_chain == [(URL, 302)]
    assert response.status_code == 200
    assert _messages(response) == ["1 image uploaded."]


def test_the_permission_is_needed(client, originals, staff_with):
    client.force_login(staff_with("view_image"))

    assert client.get(URL).status_code == 403
    assert _post(client, originals, upload_file(jpeg())).status_code == 403
    assert not Image.objects.exists()


def test_renditions_that_do_not_fit_are_parked(admin_client, originals):
    spent = RequestCounter.objects.get(request_class=RequestClass.S3_TIER1, period="month").used
    RequestLimit.objects.filter(request_class=RequestClass.S3_TIER1).update(limit=spent + 1 + 6)

    _post(admin_client, originals, *(upload_file(jpeg(), name) for name in ("a.jpg",)), make_renditions="on")
    _post(admin_client, originals, *(upload_file(jpeg(), name) for name in ("b.jpg",)), make_renditions="on")

    assert Image.objects.count() == 1
    assert Job.objects.get().state == "queued"


def test_strangers_are_sent_to_the_login_page(client, originals):
    assert client.post(URL).url.startswith("/admin/login/")
