"""My Images and My Files: unique names, the newest three, a quarter of an hour, all deleted behind a confirmation."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from localcloud import own_pages
from media_catalog.admin import named_upload
from media_catalog.aws import listing, s3
from media_catalog.exceptions import AwsConflict, ObjectRefused
from media_catalog.jobs import schedules
from media_catalog.models import Bucket, Image, Job, Rendition, RequestLimit, StoredFile, TrashedObject, Upload
from media_catalog.services import arrivals, decoding, names, relocation, uploads
from tests.estimating import shown_by
from tests.pictures import encoded, jpeg, picture

from .buckets import messages_of

INDEX = "/admin/"


@pytest.fixture
def pages(cloud, admin_user) -> dict[str, Bucket]:
    RequestLimit.objects.update(limit=1_000_000)
    own_pages.ensure(admin_user)
    for bucket in Bucket.objects.all():  # buckets outlive a test
        for held in listing.list_page(bucket.name, size=1000).objects:
            s3.delete_object(bucket.name, held.key)
    return {bucket.page_title: bucket for bucket in Bucket.objects.exclude(page_title="")}


def _address(client, title) -> str:
    """Where the overview leads under this title."""
    return unescape(re.search(rf'href="([^"]+)" class="bo-button">{title}<', client.get(INDEX).content.decode())[1])


def _link(client, page, text) -> str:
    return unescape(re.search(rf'href="([^"]+)"[^>]*>{text}<', client.get(page).content.decode())[1])


def _upload_image(client, address, name, body=None):
    picture = SimpleUploadedFile("camera.jpg", jpeg(90, 70) if body is None else body, content_type="image/jpeg")
    return client.post(_link(client, address, "Upload here"), {"image": picture, "name": name}, follow=True)


def _upload_file(client, address, name, description="A file of mine"):
    data = {"file": SimpleUploadedFile(name, b"content"), "description": description}
    bucket = client.get(_link(client, address, "Upload here")).context["form"].initial["bucket"]
    return client.post(_link(client, address, "Upload here"), {**data, "bucket": bucket}, follow=True)


def _later(kind, seconds) -> None:
    """As if so much time had passed."""
    for row in kind.objects.all():
        kind.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(seconds=seconds))


def _keys(bucket) -> set[str]:
    return {held.key for held in listing.list_page(bucket.name, size=1000).objects}


def _delete_all(client, address):
    page = client.get(address)
    first = page.context["cl"].result_list[0].pk
    assert "Delete all…" in page.content.decode()
    data = {"action": "remove", "index": "0", "select_across": "1", "_selected_action": first}
    shown = client.post(address, data)
    given = {name: shown.context[name] for name in ("selection", "counted_options", "token") if name in shown.context}
    fields = dict(shown.context["fields"])
    return shown, lambda: client.post(address, {**fields, **given, "confirm": "1"}, follow=True)


def test_my_images_from_end_to_end(admin_client, pages, work):
    """Seed 003, by pages and workers."""
    client, bucket = admin_client, pages["My Images"]
    address = _address(client, "My Images")
    for number in range(5):
        response = _upload_image(client, address, f"picture {number}")
        assert response.redirect_chain == [(address, 302)]
        _later(Image, 1)
    work()
    work()
    shown = client.get(address)
    assert "<h1>My Images</h1>" in shown.content.decode()
    assert [image.name for image in shown.context["cl"].result_list] == ["picture 4", "picture 3", "picture 2"]
    kept = Image.objects.all()
    assert _keys(bucket) == {image.key for image in kept}
    renditions = set(Rendition.objects.values_list("key", flat=True))
    assert len(renditions) == 6 * 3
    assert _keys(bucket.renditions_bucket) == renditions
    assert "in 14 minutes" in shown.content.decode()

    _later(Image, 900)
    schedules.sweep_retention()
    work()
    assert not Image.objects.exists()
    assert not _keys(bucket) | _keys(bucket.renditions_bucket)
    assert {job.items.get().state for job in Job.objects.filter(kind="sweep_retention")} == {"done"}


def test_my_files_from_end_to_end(admin_client, pages, work):
    client, bucket = admin_client, pages["My Files"]
    address = _address(client, "My Files")
    for number in range(5):
        assert _upload_file(client, address, f"{number}.txt").redirect_chain == [(address, 302)]
        _later(StoredFile, 1)
    work()
    shown = client.get(address)
    assert "<h1>My Files</h1>" in shown.content.decode()
    assert [file.name for file in shown.context["cl"].result_list] == ["4.txt", "3.txt", "2.txt"]
    assert _keys(bucket) == {"4.txt", "3.txt", "2.txt"}
    assert "/4.txt?" in client.get(_link(client, address, "Download the last one"))["Location"]

    _later(StoredFile, 900)
    schedules.sweep_retention()
    work()
    assert not StoredFile.objects.exists()
    assert not _keys(bucket)


def test_the_image_uploader_takes_one_size_and_answers_with_the_main_rendition(admin_client, pages, work):
    """Seed 002: image and caption, exactly 1024 × 786, High in the answer, the other three in the background."""
    address = _address(admin_client, "Image Uploader")
    form = admin_client.get(_link(admin_client, address, "Upload here")).context["form"]
    bucket = pages["Image Uploader"]
    assert form.initial["bucket"] == bucket.pk
    files = [SimpleUploadedFile(name, jpeg(*size)) for name, size in (("a.jpg", (1024, 786)), ("b.jpg", (800, 600)))]
    data = {"images": files, "bucket": bucket.pk, "caption": "Press day", "make_renditions": "on"}
    refused, stored, main = messages_of(admin_client.post("/admin/media_catalog/image/add/", data, follow=True))

    assert "b.jpg" in refused
    assert "This image has 800 × 600 pixels; the bucket takes exactly 1,024 × 786." in refused
    assert "1 image uploaded." in stored
    assert "High (1024 × 786)" in main
    image = Image.objects.get()
    assert (image.name, image.caption) == ("a.jpg", "Press day")
    assert [rendition.preset.slug for rendition in image.renditions.all()] == ["high"]
    work()
    sizes = {rendition.preset.slug: (rendition.width, rendition.height) for rendition in image.renditions.all()}
    assert sizes.items() >= {"very-high": (1024, 1024), "medium": (786, 786), "low": (124, 124)}.items()


def test_an_upload_to_my_images_answers_with_the_main_rendition_too(admin_client, pages, cloud, work):
    """At the cost that the page shows; a caption is no part of it (seed 003)."""
    address = _address(admin_client, "My Images")
    asked = admin_client.get(_link(admin_client, address, "Upload here")).context
    assert list(asked["form"].fields) == ["image", "name"]
    mark = cloud.access_log.mark()

    _stored, main = messages_of(_upload_image(admin_client, address, "one", jpeg(2000, 1500)))

    assert "High (1024 × 786)" in main
    image = Image.objects.get()
    assert f'href="/admin/media_catalog/image/{image.pk}/rendition/high/"' in main
    assert [rendition.preset.slug for rendition in image.renditions.all()] == ["high"]
    assert cloud.access_log.operations(mark) == {"PutObject": 2}
    assert shown_by(asked) == {"s3_tier1": 2}
    work()
    assert image.renditions.current().count() == 6


def test_who_may_not_make_renditions_uploads_to_my_images_all_the_same(client, pages, cloud, staff_with):
    client.force_login(staff_with("view_image", "add_image"))
    address = f"/admin/media_catalog/image/add/?bucket={pages['My Images'].pk}"
    assert shown_by(client.get(address).context) == {"s3_tier1": 1}
    mark = cloud.access_log.mark()

    client.post(address, {"image": _picture(), "name": "one"})

    assert cloud.access_log.operations(mark) == {"PutObject": 1}
    assert not Image.objects.get().renditions.exists()


def test_delete_all_is_behind_a_confirmation(admin_client, pages, work):
    for title, upload in [("My Images", _upload_image), ("My Files", _upload_file)]:
        address = _address(admin_client, title)
        upload(admin_client, address, "a.txt")
        upload(admin_client, address, "b.txt")
        work()
        assert len(_keys(pages[title])) == 2
        shown, confirm = _delete_all(admin_client, address)
        assert shown.context["count"] == 2
        assert len(_keys(pages[title])) == 2
        confirm()
        work()
        assert len(_keys(pages[title])) == 2
        assert all(key.startswith("trash/") for key in _keys(pages[title]))
        assert TrashedObject.objects.here().filter(bucket=pages[title]).count() == 2
        assert "Delete all…" not in admin_client.get(address).content.decode()


@pytest.mark.parametrize(
    ("name", "said"),
    [("a" * 81, "at most 80 characters"), ("", "required"), (" \r\n ", "required"), ("taken", "This name is taken")],
)
def test_a_name_is_unique_and_has_at_most_80_characters(admin_client, pages, cloud, name, said):
    address = _address(admin_client, "My Images")
    _upload_image(admin_client, address, "taken")
    mark = cloud.access_log.mark()

    response = _upload_image(admin_client, address, name)

    assert said in response.context["form"].errors["name"][0]
    assert Image.objects.count() == 1
    assert "PutObject" not in cloud.access_log.operations(mark)


def test_what_is_no_image_is_refused_and_a_name_of_80_taken(admin_client, pages):
    address = _address(admin_client, "My Images")
    for body in (b"", b"<svg/>", b"MZ"):
        assert "image" in _upload_image(admin_client, address, "x", body).context["form"].errors
    _upload_image(admin_client, address, "ü" * 80)
    assert Image.objects.get().name == "ü" * 80


def test_the_database_itself_keeps_names_unique(pages, store_in):
    bucket = pages["My Images"]
    one = store_in(bucket, "one")
    facts = {"bucket": bucket, "etag": "e", "size": 1, "content_type": "image/jpeg", "width": 1, "height": 1}
    for name in ("one", "a" * 81):
        with pytest.raises(IntegrityError), transaction.atomic():
            Image.objects.create(key="other", name=name, unique_name=True, **facts)
    Image.objects.filter(pk=one.pk).update(trashed_at=timezone.now())
    Image.objects.create(key="other", name="one", unique_name=True, **facts)


def test_of_two_at_the_same_moment_one_is_undone(pages, store_in, monkeypatch):
    """The name is free when both look; the database decides, and nothing of the loser stays."""
    bucket = pages["My Images"]
    store_in(bucket, "one")
    monkeypatch.setattr(names, "check", lambda *args, **options: None)

    with pytest.raises(ObjectRefused, match="name_taken"):
        store_in(bucket, "one")

    assert Image.objects.count() == len(_keys(bucket)) == 1
    assert sorted(Upload.objects.values_list("status", flat=True)) == ["completed", "failed"]


def test_one_that_was_cut_off_and_whose_name_is_taken_meanwhile_is_undone(pages, store_in, monkeypatch):
    bucket = pages["My Images"]
    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "record", _die)
        with pytest.raises(SystemExit):
            store_in(bucket, "one")
    store_in(bucket, "one")
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))

    assert uploads.settle_stale() == []

    assert Image.objects.count() == len(_keys(bucket)) == 1
    assert "name_taken" in Upload.objects.get(status="failed").error


def test_what_others_put_there_gets_a_number(pages, store_in):
    bucket = pages["My Images"]
    image = store_in(bucket, "camera.jpg")
    facts = {"etag": "e", "size": 1, "sha256": "", "probe": decoding.probe(_picture())}
    found = [arrivals.record(bucket=bucket, key=key, **facts).image for key in ("a/camera.jpg", "b/camera.jpg")]
    assert [each.name for each in found] == ["camera.jpg (2)", "camera.jpg (3)"]
    with pytest.raises(AwsConflict):
        relocation.relocate(image=found[0], to_bucket=bucket, to_key=image.key)


def test_neither_the_page_for_many_images_nor_its_script_takes_one_there(admin_client, pages):
    bucket = pages["My Images"]
    page = admin_client.get("/admin/media_catalog/image/add/")
    assert bucket not in page.context["form"].fields["bucket"].queryset
    assert f"?bucket={bucket.pk}" in page.content.decode()
    body = {"bucket": bucket.pk, "files": [{"name": "a.jpg", "type": "image/jpeg", "size": 1}]}
    begun = admin_client.post("/admin/media_catalog/image/add/begin/", body, content_type="application/json")
    assert begun.status_code == 400
    assert not Upload.objects.exists()


def test_the_queries_of_my_images_do_not_grow_and_nothing_is_sent(admin_client, pages, cloud):
    address, counts = _address(admin_client, "My Images"), []
    mark = cloud.access_log.mark()
    for count in (1, 30):
        Image.objects.all().delete()
        facts = {"bucket": pages["My Images"], "etag": "e", "size": 1, "content_type": "image/jpeg"}
        Image.objects.bulk_create(Image(key=f"{n}", name=f"{n}", width=1, height=1, **facts) for n in range(count))
        with CaptureQueriesContext(connection) as queries:
            assert len(admin_client.get(address).context["cl"].result_list) == count
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 25
    assert not cloud.access_log.since(mark)


def test_a_database_that_fails_is_said(admin_client, pages, monkeypatch):
    address = _address(admin_client, "My Images")
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "store", _fail)
        errors = _upload_image(admin_client, address, "one").context["form"].non_field_errors()
        assert "the server failed" in errors[0]
    monkeypatch.setattr(named_upload, "start_sweep", _fail)
    assert "followed within a minute" in messages_of(_upload_image(admin_client, address, "one"))[-1]


def test_names_that_are_not_unique_cannot_be_asked_for(pages, store_in):
    bucket = pages["My Images"]
    names.set_unique(bucket, unique=False)
    for _image in range(2):
        store_in(bucket, "the same")
    assert not names.are_unique(bucket)
    with pytest.raises(ObjectRefused, match="names_not_unique"):
        names.set_unique(bucket, unique=True)
    assert not Bucket.objects.get(pk=bucket.pk).unique_names


def test_uploads_need_the_permission(client, pages, staff_with):
    client.force_login(staff_with("view_image", "view_storedfile"))
    for title in ("My Images", "My Files"):
        page = client.get(_address(client, title)).content.decode()
        assert "Upload here" not in page
        assert "Delete all…" not in page
    address = f"/admin/media_catalog/image/add/?bucket={pages['My Images'].pk}"
    assert client.post(address, {"image": _picture(), "name": "a"}).status_code == 403
    client.force_login(staff_with("view_job"))
    assert "My Images" not in client.get(INDEX).content.decode()


def test_a_list_of_a_bucket_that_is_not_there_is_the_list(admin_client, pages):
    for value in ("0", "9" * 30, "x"):
        response = admin_client.get(f"/admin/media_catalog/storedfile/?bucket__id__exact={value}", follow=True)
        assert response.status_code == 200
        assert "shelf" not in response.context or response.context["shelf"] == ""


def test_a_bucket_that_is_gone_at_s3_is_said(admin_client, pages):
    bucket = pages["My Files"]
    address = _address(admin_client, "My Files")
    link = _link(admin_client, address, "Upload here")
    with_name = Bucket.objects.filter(pk=bucket.pk)
    with_name.update(name="gone-for-ever-8")
    data = {"file": SimpleUploadedFile("a.txt", b"x"), "description": "A file of mine", "bucket": bucket.pk}
    response = admin_client.post(link, data)
    assert "no longer exists at S3" in response.context["form"].non_field_errors()[0]
    assert not StoredFile.objects.exists()
    assert not messages_of(response)


@pytest.fixture
def store_in(admin_user):
    def _store(bucket, title) -> Image:
        facts = {"name": "camera.jpg", "caption": "", "bucket": bucket, "user": admin_user}
        return uploads.store(file=_picture(), title=title, **facts)

    return _store


def _picture() -> SimpleUploadedFile:
    return SimpleUploadedFile("camera.jpg", jpeg(90, 70), content_type="image/jpeg")


def _fail(*args, **options):
    raise DatabaseError


def _die(*args, **options):
    raise SystemExit


def test_too_little_memory_for_an_image_is_said_in_the_form(admin_client, pages, memory_is_back):
    response = _upload_image(admin_client, _address(admin_client, "My Images"), "a scan", encoded(picture(), "TIFF"))

    assert "too little memory" in response.context["form"].errors["image"][0]
    assert not Image.objects.exists()
