"""Renditions on the page of an image: making and deleting one, the link that stands in, and the gallery."""

import io

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from media_catalog.models import RequestLimit
from media_catalog.services import renditions
from tests.pictures import jpeg

LIST = "/admin/media_catalog/image/"


def _url(name: str, image, slug: str) -> str:
    return reverse(f"admin:media_catalog_image_rendition_{name}", args=[image.pk, slug])


class TestOne:
    def test_is_made_and_deleted_by_post(self, admin_client, store):
        image = store(jpeg(2000, 1500))

        made = admin_client.post(_url("make", image, "low"), follow=True)
        assert "Rendition “Low” made." in made.content.decode()
        assert [rendition.preset.slug for rendition in image.renditions.all()] == ["low"]

        deleted = admin_client.post(_url("delete", image, "low"), follow=True)
        assert "Rendition “Low” deleted." in deleted.content.decode()
        assert not image.renditions.exists()
        assert LogEntry.objects.count() == 2

    def test_a_second_deletion_does_no_harm(self, admin_client, store):
        assert admin_client.post(_url("delete", store(), "low")).status_code == 302

    @pytest.mark.parametrize("name", ["make", "delete"])
    def test_takes_the_permission_and_a_post(self, client, admin_client, store, staff_with, name):
        image = store()
        assert admin_client.get(_url(name, image, "low")).status_code == 405
        client.force_login(staff_with("view_image"))
        assert client.post(_url(name, image, "low")).status_code == 403
        client.force_login(staff_with("make_renditions_image"))
        assert client.post(_url(name, image, "low")).status_code == 403
        assert not image.renditions.exists()

    def test_over_the_limit_it_says_so_and_sends_nothing(self, admin_client, store, cloud):
        image = store()
        RequestLimit.objects.filter(request_class="s3_tier2").update(limit=0)
        mark = cloud.access_log.mark()

        page = admin_client.post(_url("make", image, "low"), follow=True).content.decode()

        assert "Low: Refused by quota" in page
        assert not cloud.access_log.operations(mark)

    def test_of_no_such_preset_there_is_none(self, admin_client, store):
        assert admin_client.post(_url("make", store(), "huge")).status_code == 404


class TestMain:
    def test_stands_in_for_one_that_is_not_there_yet(self, admin_client, store):
        body = jpeg(2000, 1500)
        image = store(body)
        link = reverse("admin:media_catalog_image_rendition", args=[image.pk, "medium"])
        assert admin_client.get(link).status_code == 404

        renditions.make_in_request(image=image, file=io.BytesIO(body))

        assert "/high/" in admin_client.get(link)["Location"]
        page = admin_client.get(reverse("admin:media_catalog_image_change", args=[image.pk])).content.decode()
        assert page.count("shows High until it is made") == 5

        renditions.make(image=image)
        assert "/medium/" in admin_client.get(link)["Location"]


class TestGallery:
    def _is_gallery(self, client) -> bool:
        page = client.get(LIST).content.decode()
        assert "gallery.css" in page
        return 'media="(max-width: 767px)"' not in page

    def test_is_chosen_and_kept_and_is_the_list_otherwise(self, admin_client, store):
        store()
        assert not self._is_gallery(admin_client)

        back = f"{LIST}?q=photo"
        response = admin_client.post(f"{LIST}layout/", {"layout": "gallery", "next": back})
        assert response["Location"] == back
        assert self._is_gallery(admin_client)

        admin_client.post(f"{LIST}layout/", {"layout": "list"})
        assert not self._is_gallery(admin_client)

    def test_leads_nowhere_else(self, admin_client, db):
        response = admin_client.post(f"{LIST}layout/", {"layout": "x", "next": "https://elsewhere.example/"})
        assert response["Location"] == LIST
        assert not self._is_gallery(admin_client)

    def test_pictures_offer_their_sizes_and_keep_their_place(self, admin_client, store):
        image = store(jpeg(2000, 1500))
        renditions.make(image=image)

        page = admin_client.get(LIST).content.decode()

        assert 'width="200" height="150" loading="lazy"' in page
        assert "200w" in page
        assert "1280w" in page
