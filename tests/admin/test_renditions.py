"""Renditions on the page of an image: making and deleting one, the link that stands in, and the gallery."""

import io
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from media_catalog.models import Bucket, Preset, RequestLimit
from media_catalog.services import renditions
from tests.pictures import jpeg

LIST = "/admin/media_catalog/image/"


def _url(name: str, image, slug: str) -> str:
    return reverse(f"admin:media_catalog_image_rendition_{name}", args=[image.pk, slug])


def _states(page: str) -> dict[str, str]:
    """Of the table, by name of the preset."""
    rows = re.findall(r"/rendition/[\w-]+/\">([^<]+)</a>.*?bo-tag bo-\w+\"[^>]*>([^<]+)<", page, re.DOTALL)
    return dict(rows)


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

    def test_under_legal_hold_is_made_anew_and_not_deleted(self, admin_client, store, originals, cloud):
        image = store()
        renditions.make(image=image)
        page = reverse("admin:media_catalog_image_change", args=[image.pk])
        assert _url("delete", image, "low") in admin_client.get(page).content.decode()
        Bucket.objects.filter(pk=originals.renditions_bucket.pk).update(legal_hold=True)
        mark = cloud.access_log.mark()

        refused = admin_client.post(_url("delete", image, "low"), follow=True).content.decode()

        assert "Low: The bucket is under legal hold: what it holds must not be removed." in refused
        assert image.renditions.count() == 6
        assert not cloud.access_log.operations(mark)
        assert _url("delete", image, "low") not in refused
        assert refused.count('title="Its bucket is under legal hold, so it cannot be deleted."') == 6

        Preset.objects.filter(slug="low").update(version=2)
        assert "Rendition “Low” made." in admin_client.post(_url("make", image, "low"), follow=True).content.decode()
        assert not image.renditions.stale().exists()

    def test_of_an_inactive_preset_is_not_called_stale(self, admin_client, store):
        image = store()
        renditions.make(image=image)
        Preset.objects.filter(slug__in=["low", "high"]).update(version=2)
        Preset.objects.filter(slug__in=["low", "medium"]).update(active=False)

        page = admin_client.get(reverse("admin:media_catalog_image_change", args=[image.pk])).content.decode()

        assert _states(page) == {
            "Low": "Inactive",
            "Medium": "Inactive",
            "High": "Stale",
            **dict.fromkeys(["Thumbnail", "Very High", "Preview"], "Current"),
        }


class TestMain:
    def test_stands_in_for_one_that_is_not_there_yet(self, admin_client, store):
        body = jpeg(2000, 1500)
        image = store(body)
        link = reverse("admin:media_catalog_image_rendition", args=[image.pk, "medium"])
        assert admin_client.get(link).status_code == 404

        renditions.make_in_request(image=image, file=io.BytesIO(body))

        assert "/high/" in admin_client.get(link)["Location"]
        unknown = reverse("admin:media_catalog_image_rendition", args=[image.pk, "nonsense"])
        assert admin_client.get(unknown).status_code == 404
        page = admin_client.get(reverse("admin:media_catalog_image_change", args=[image.pk])).content.decode()
        assert page.count("shows High until it is made") == 5

        renditions.make(image=image)
        assert "/medium/" in admin_client.get(link)["Location"]


ON_PHONES = "(max-width: 767px)"


class TestGallery:
    def _look(self, client) -> str:
        """Where the list is laid out as cards: “everywhere”, “nowhere”, or the media that it is for."""
        found = re.search(r'gallery\.css"(?: media="([^"]*)")?', client.get(LIST).content.decode())
        return (found[1] or "everywhere") if found else "nowhere"

    def _offered(self, client) -> list[str]:
        return re.findall(r'name="layout" value="(\w+)"', client.get(LIST).content.decode())

    def test_is_for_phones_until_somebody_chooses_for_all(self, admin_client, store):
        store()
        assert (self._look(admin_client), self._offered(admin_client)) == (ON_PHONES, ["gallery", "list"])

        back = f"{LIST}?q=photo"
        response = admin_client.post(f"{LIST}layout/", {"layout": "gallery", "next": back})
        assert response["Location"] == back
        assert (self._look(admin_client), self._offered(admin_client)) == ("everywhere", ["list"])

        admin_client.post(f"{LIST}layout/", {"layout": "list"})
        assert (self._look(admin_client), self._offered(admin_client)) == ("nowhere", ["gallery"])

    def test_leads_nowhere_else(self, admin_client, db):
        response = admin_client.post(f"{LIST}layout/", {"layout": "x", "next": "https://elsewhere.example/"})
        assert response["Location"] == LIST
        assert self._look(admin_client) == ON_PHONES

    @pytest.mark.parametrize(
        ("layout", "size", "sizes"),
        [
            ("", (2000, 1500), f"{ON_PHONES} min(46vw, 200px), 96px"),
            ("gallery", (2000, 1500), "min(46vw, 200px)"),
            ("list", (2000, 1500), "96px"),
            ("list", (1500, 2000), "96px"),
            ("list", (3000, 1000), "192px"),  # what its place shows is half as wide as the picture
            ("gallery", (3000, 1000), "min(92vw, 400px)"),
        ],
    )
    def test_pictures_offer_their_sizes_and_keep_their_place(self, admin_client, store, layout, size, sizes):
        renditions.make(image=store(jpeg(*size)))
        admin_client.post(f"{LIST}layout/", {"layout": layout})

        page = admin_client.get(LIST).content.decode()

        assert f'sizes="{sizes}" width="200" height="{round(200 * size[1] / size[0])}" loading="lazy"' in page
        assert "200w" in page
        assert f"{round(1280 * min(1, size[0] / size[1]))}w" in page

    def test_the_confirmation_of_an_action_shows_small_ones(self, admin_client, store):
        image = store(jpeg(2000, 1500))
        renditions.make(image=image)
        page = admin_client.post(LIST, {"action": "detect_faces", "_selected_action": image.pk})
        assert 'sizes="96px"' in page.content.decode()


def test_the_page_of_an_image_offers_its_picture_in_sizes(admin_client, store):
    image = store(jpeg(2000, 1500))
    renditions.make(image=image)
    page = admin_client.get(reverse("admin:media_catalog_image_change", args=[image.pk])).content.decode()

    [picture] = re.findall(r'<div class="bo-stage">\s*(<img [^>]*>)', page)
    assert 'width="2000" height="1500"' in picture
    assert 'sizes="(min-width: 1101px) min(60vw, 66vh * 1.3333), min(100vw, 66vh * 1.3333)"' in picture
    assert re.findall(r"/(\w+)/\?v=\S+ (\d+)w", picture) == [("thumbnail", "200"), ("preview", "1280")]


def _shown(client, image) -> list[tuple[str, str]]:
    """Preset and width of what the page of an image offers as its picture; the last one is there without a choice."""
    page = client.get(reverse("admin:media_catalog_image_change", args=[image.pk])).content.decode()
    [stage] = re.findall(r'<div class="bo-stage">(.*?)<svg', page, re.DOTALL)
    offered = re.findall(r"/([\w-]+)/\?v=\S+ (\d+)w", stage)
    assert ("No preview yet" in page) == (not offered)
    assert not offered or f"/{offered[-1][0]}/?v=" in re.search(r'src="([^"]+)"', stage)[1]
    return offered


CUT = {"width": 600, "height": 600, "mode": "fill"}
SMALL = {**CUT, "width": 200}
OFF = {"active": False}


@pytest.mark.parametrize(
    ("changes", "size", "offered"),
    [
        ({"thumbnail": CUT}, (2000, 1500), ["preview 1280"]),
        ({"preview": CUT}, (2000, 1500), ["thumbnail 200"]),
        ({"preview": OFF}, (2000, 1500), ["thumbnail 200"]),
        ({"preview": OFF, "high": {"mode": "fit"}}, (2000, 1500), ["thumbnail 200", "high 1024"]),
        ({"preview": {"blur": 9}}, (2000, 1500), ["thumbnail 200"]),
        ({"preview": CUT, "thumbnail": CUT}, (2000, 1500), []),
        ({"high": {"width": 1900, "height": 1900, "mode": "fit"}}, (2000, 1500), ["thumbnail 200", "preview 1280"]),
        ({}, (1024, 786), ["thumbnail 200", "high 1024", "preview 1024"]),
        ({}, (1500, 1500), ["low 124", "thumbnail 200", "medium 786", "very-high 1024", "preview 1280"]),
    ],
)
def test_only_what_shows_all_of_an_image_lies_under_its_boxes(admin_client, store, cloud, changes, size, offered):
    """And it is in the cache since it was made."""
    for slug, change in changes.items():
        Preset.objects.filter(slug=slug).update(**change)
    image = store(jpeg(*size))
    renditions.make(image=image)
    mark = cloud.access_log.mark()

    shown = _shown(admin_client, image)

    assert [f"{preset} {width}" for preset, width in shown] == offered
    for preset, _width in shown:
        assert admin_client.get(f"{LIST}{image.pk}/preview/{preset}/").status_code == 200
    assert not cloud.access_log.operations(mark)


def test_what_is_left_of_an_earlier_object_stands_in_only_while_there_is_no_other(admin_client, store):
    image = store(jpeg(2000, 1500))
    renditions.make(image=image)
    image.renditions.update(source_etag="earlier")
    assert _shown(admin_client, image) == [("thumbnail", "200"), ("preview", "1280")]

    image.renditions.filter(preset__slug="thumbnail").update(source_etag=image.etag)
    assert _shown(admin_client, image) == [("thumbnail", "200")]


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({"thumbnail": CUT}, ["preview"]),
        ({"preview": OFF}, ["thumbnail"]),
        ({"preview": CUT, "thumbnail": SMALL}, ["thumbnail"]),
        ({"preview": OFF, "thumbnail": OFF}, []),
    ],
)
def test_the_list_never_mixes_shapes_and_shows_what_there_is(admin_client, store, changes, listed):
    for slug, change in changes.items():
        Preset.objects.filter(slug=slug).update(**change)
    renditions.make(image=store(jpeg(2000, 1500)))

    page = admin_client.get(LIST).content.decode()

    assert re.findall(r"/(\w+)/\?v=\S+ \d+w", page) == listed
    assert ("No preview yet" in page) == (not listed)
