"""The image list and change page: what they show, what they cost, and who may."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.exceptions import AwsUnavailable, DetectionRefused
from media_catalog.models import Analysis, Face, Image, Preset, RequestUsage
from media_catalog.services import detection, renditions
from tests.pictures import animation, encoded, one_face, picture

LIST = "/admin/media_catalog/image/"


def _text(response) -> str:
    """The words of a page, tags removed."""
    text = re.sub(r"<(script|style|svg|head).*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def _change(image: Image) -> str:
    return reverse("admin:media_catalog_image_change", args=[image.pk])


def _rows(bucket, count: int, **fields) -> list[Image]:
    return Image.objects.bulk_create(
        Image(
            bucket=bucket,
            key=f"{number}.jpg",
            etag="e",
            size=1,
            width=10,
            height=10,
            format="JPEG",
            content_type="image/jpeg",
            **fields,
        )
        for number in range(count)
    )


class TestList:
    def test_a_hundred_images_cost_few_queries_and_no_request(
        self, admin_client, originals, store, cloud, django_assert_max_num_queries
    ):
        images = _rows(originals, 99)
        Analysis.objects.bulk_create(
            Analysis(image=image, state="faces", face_count=2, source_etag="e", detector="d") for image in images[:50]
        )
        renditions.make(image=store())
        admin_client.get(LIST)
        mark = cloud.access_log.mark()

        with django_assert_max_num_queries(12):
            response = admin_client.get(f"{LIST}?all=")

        assert len(response.context["cl"].result_list) == 100
        assert not cloud.access_log.operations(mark)

    def test_each_state_has_its_words(self, admin_client, store, admin_user):
        names = ["none", "queued", "one", "empty", "failed"]
        images = {name: store(one_face(), name=f"{name}.jpg") for name in names}
        for name, state, count in [("one", "faces", 1), ("empty", "no_faces", 0), ("failed", "failed", 0)]:
            Analysis.objects.create(
                image=images[name], state=state, face_count=count, source_etag="e", detector="d", reason="Too dark."
            )
        jobs.start(kind="detect_faces", user=admin_user, images=[images["queued"].pk])

        said = {name: _text(admin_client.get(_change(image))) for name, image in images.items()}

        assert "Not analysed yet." in said["none"]
        assert "Face detection is queued." in said["queued"]
        assert "1 face" in said["one"]
        assert "No faces found." in said["empty"]
        assert "Failed: Too dark." in said["failed"]
        listed = _text(admin_client.get(LIST))
        for words in ("Not analysed", "Queued", "1 face", "No faces found", "Failed"):
            assert words in listed

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("state=none", {"none.jpg", "other.webp"}),
            ("state=queued", {"queued.jpg"}),
            ("state=faces", {"faces.jpg"}),
            ("state=no_faces", set()),
            ("format=WEBP", {"other.webp"}),
            ("format=WEBP&state=faces", set()),
            ("q=queue", {"queued.jpg"}),
            ("q=%00", {"none.jpg", "queued.jpg", "faces.jpg", "other.webp"}),
        ],
    )
    def test_filters(self, admin_client, store, admin_user, query, found):
        store(name="none.jpg")
        store(encoded(picture(), "WEBP"), name="other.webp")
        queued = store(name="queued.jpg")
        detection.detect(image=store(one_face(), name="faces.jpg"))
        jobs.start(kind="detect_faces", user=admin_user, images=[queued.pk])

        response = admin_client.get(f"{LIST}?{query}")

        assert {image.key for image in response.context["cl"].result_list} == found

    @pytest.mark.parametrize("query", ["o=99", "p=-1", "p=99999", "state=nonsense", "format=x", "bucket__id__exact=0"])
    def test_odd_parameters_are_no_error(self, admin_client, store, query):
        store()
        assert admin_client.get(f"{LIST}?{query}", follow=True).status_code == 200

    def test_the_answers_of_the_detector_are_not_loaded(self, admin_client, store):
        detection.detect(image=store(one_face()))

        with CaptureQueriesContext(connection) as queries:
            assert "1 face" in _text(admin_client.get(LIST))

        assert not [query["sql"] for query in queries if "raw_response" in query["sql"]]

    def test_an_empty_list_says_how_to_begin(self, admin_client, originals):
        response = admin_client.get(LIST)

        assert "No images yet" in _text(response)

    def test_images_without_renditions_have_a_placeholder(self, admin_client, store):
        store()
        assert "No preview yet" in _text(admin_client.get(LIST))

    def test_animations_are_marked(self, admin_client, store):
        moving, still = store(animation(), name="moving.gif"), store(encoded(picture(), "GIF"), name="still.gif")
        tag = '<span class="bo-tag bo-none" title="Renditions show the first frame">Animated</span>'

        assert admin_client.get(LIST).content.decode().count(tag) == 1
        assert tag in admin_client.get(_change(moving)).content.decode()
        assert tag not in admin_client.get(_change(still)).content.decode()

    def test_caption_and_key_are_escaped(self, admin_client, store):
        image = store()
        renditions.make(image=image)
        nasty = {field: f'"><script>{field}</script>' for field in ("key", "name", "caption")}
        Image.objects.filter(pk=image.pk).update(**nasty)

        listed, changed = (admin_client.get(url).content.decode() for url in (LIST, _change(image)))

        for page in (listed, changed):
            assert not re.search("<script>(key|name|caption)", page)
        assert "<script>key" in html.unescape(listed)
        assert "<script>caption" in html.unescape(listed)
        assert all(text in html.unescape(changed) for text in nasty.values())


class TestChangePage:
    def test_boxes_rows_and_facts(self, admin_client, store, django_assert_max_num_queries):
        image = store(one_face())
        renditions.make(image=image)
        detection.detect(image=image)
        face = Face.objects.get()

        with django_assert_max_num_queries(20):
            response = admin_client.get(_change(image))

        page = response.content.decode()
        assert 'viewBox="0 0 800 600"' in page
        [box] = response.context["boxes"]
        assert f'x="{box.x}"' in page
        words = _text(response)
        assert f"{face.confidence:.4f}" in words
        assert "does not report age" in words
        assert image.sha256 in words
        assert "dlib HOG" in words

    def test_renditions_are_current_stale_or_missing(self, admin_client, store):
        image = store()
        renditions.make(image=image)
        Preset.objects.filter(slug="low").update(version=2)
        image.renditions.filter(preset__slug="medium").delete()
        image.renditions.filter(preset__slug="high").update(source_etag="older")

        rows = admin_client.get(_change(image)).context["renditions"]

        state = {row.preset.slug: (row.rendition is not None, row.current) for row in rows}
        assert state == {
            "low": (True, False),
            "medium": (False, False),
            "high": (True, False),
            **dict.fromkeys(["thumbnail", "preview", "very-high"], (True, True)),
        }

    def test_a_failure_that_no_detector_saw_is_signed_by_none(self, admin_client, store):
        image = store(encoded(picture(), "WEBP"))
        with pytest.raises(DetectionRefused):
            detection.detect(image=image)

        words = _text(admin_client.get(_change(image)))

        assert "Failed: Rekognition cannot read this image." in words
        assert "DetectFaces" not in words

    def test_ages_are_shown_when_reported(self, admin_client, store):
        image = store(one_face())
        detection.detect(image=image)
        Face.objects.update(age_low=26, age_high=38, confidence=99.98765)

        words = _text(admin_client.get(_change(image)))

        assert "26–38" in words
        assert "99.9877" in words
        assert "does not report age" not in words

    def test_numbers_in_the_drawing_are_not_localised(self, admin_client, store, settings):
        settings.USE_THOUSAND_SEPARATOR = True
        image = store(one_face())
        Image.objects.filter(pk=image.pk).update(width=12345, height=6789)
        detection.detect(image=image)

        assert 'viewBox="0 0 12345 6789"' in admin_client.get(_change(image)).content.decode()

    def test_name_and_caption_are_edited_with_history(self, admin_client, store, admin_user):
        image = store()

        admin_client.post(_change(image), {"name": "Opening night", "caption": "Stage"})

        image.refresh_from_db()
        assert (image.name, image.caption, image.key) == ("Opening night", "Stage", "photo.jpg")
        history = _text(admin_client.get(reverse("admin:media_catalog_image_history", args=[image.pk])))
        assert "Changed Name and Caption." in history
        assert admin_user.username in history

    def test_django_s_own_deletion_is_closed(self, admin_client, store):
        image = store()
        delete = reverse("admin:media_catalog_image_delete", args=[image.pk])

        for response in (admin_client.get(delete), admin_client.post(delete, {"post": "yes"})):
            assert response.url == _change(image)
        assert Image.objects.exists()
        assert "delete_selected" not in admin_client.get(LIST).content.decode()

    def test_a_gone_image_is_no_error(self, admin_client, db):
        response = admin_client.get("/admin/media_catalog/image/99/change/", follow=True)
        assert "doesn’t exist" in _text(response)

    def test_view_only_staff_see_but_cannot_save_or_act(self, client, store, staff_with):
        image = store(one_face())
        client.force_login(staff_with("view_image"))

        words = _text(client.get(_change(image)))
        assert "Download original" in words
        for action in ("Make renditions…", "Detect faces…", "Move to trash…"):
            assert action not in words
        assert client.post(_change(image), {"name": "x", "caption": "y"}).status_code == 403
        image.refresh_from_db()
        assert image.name == "photo.jpg"


class TestPreview:
    def _url(self, image, slug="thumbnail"):
        return reverse("admin:media_catalog_image_preview", args=[image.pk, slug])

    def test_headers(self, admin_client, store):
        image = store()
        renditions.make(image=image)

        response = admin_client.get(self._url(image))

        assert response.status_code == 200
        assert response["Content-Type"] == "image/jpeg"
        assert response["Cache-Control"] == "private, max-age=86400"
        assert response["X-Content-Type-Options"] == "nosniff"
        again = admin_client.get(self._url(image), headers={"if-none-match": response["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        for header in ("ETag", "Cache-Control"):
            assert again[header] == response[header]

    def test_not_for_strangers(self, client, store, staff_with):
        image = store()
        renditions.make(image=image)
        assert client.get(self._url(image)).url.startswith("/admin/login/")
        client.force_login(staff_with("view_bucket"))
        assert client.get(self._url(image)).status_code == 403

    @pytest.mark.parametrize("slug", ["nonsense", "high"])
    def test_unknown_is_404(self, admin_client, store, slug):
        image = store()
        assert admin_client.get(self._url(image, slug)).status_code == 404

    def test_a_gone_object_is_404_and_s3_away_503(self, admin_client, store, monkeypatch):
        image = store()
        renditions.make(image=image)
        high = image.renditions.get(preset__slug="high")
        s3.delete_object(high.bucket.name, high.key)
        gone = admin_client.get(self._url(image, "high"))
        assert gone.status_code == 404
        assert "no-store" in gone["Cache-Control"]

        def away(*args):
            raise AwsUnavailable("x")

        monkeypatch.setattr(s3, "get_object", away)
        response = admin_client.get(self._url(image, "high"))
        assert response.status_code == 503
        assert "no-store" in response["Cache-Control"]
        assert "could not be reached" in response.content.decode()


class TestDownload:
    def test_an_expiring_link_that_is_counted(self, admin_client, store):
        image = store(name="résumé.jpg")

        response = admin_client.get(reverse("admin:media_catalog_image_original", args=[image.pk]))

        assert response.status_code == 302
        assert "X-Amz-Expires=300" in response.url
        usage = RequestUsage.objects.get(operation="GetObject")
        assert (usage.count, usage.action) == (1, "admin:media_catalog_image_original")

    def test_needs_the_permission(self, client, store, staff_with):
        image = store()
        client.force_login(staff_with("view_bucket"))
        assert client.get(reverse("admin:media_catalog_image_original", args=[image.pk])).status_code == 403
