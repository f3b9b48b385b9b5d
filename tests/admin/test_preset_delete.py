"""Deleting a preset: with its renditions, whose objects the sweep deletes, behind a confirmation; or why not."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.db import connection
from django.utils import timezone

from media_catalog.aws import listing
from media_catalog.models import Bucket, Image, Leftover, Preset, Rendition
from media_catalog.services import presets, previews, removal, renditions
from tests.committing import committing
from tests.estimating import shown_by
from tests.pictures import jpeg

from .buckets import messages_of

LIST = "/admin/media_catalog/preset/"
ADD = f"{LIST}add/"


def _address(slug: str) -> str:
    return f"{LIST}{Preset.objects.get(slug=slug).pk}/delete/"


def _keys(bucket: Bucket) -> set[str]:
    return {held.key for held in listing.list_page(bucket.name, size=1000).objects}


def _press(client, address: str, **fields):
    shown = client.get(address).context
    return client.post(address, {"count": shown["count"], "confirm": "1", **fields}, follow=True)


@pytest.fixture
def made(store) -> list[Image]:
    images = [store(name=f"{number}.jpg") for number in range(2)]
    for image in images:
        renditions.make(image=image)
    return images


@pytest.mark.database
def test_it_goes_with_its_renditions_at_the_cost_that_is_shown(admin_client, made, originals, cloud):
    bucket = originals.renditions_bucket
    before = _keys(bucket)
    asked = admin_client.get(_address("low"))
    page = " ".join(asked.content.decode().split())
    assert "2 renditions" in page
    assert "make the preset inactive instead" in page
    mark = cloud.access_log.mark()

    response = _press(admin_client, _address("low"))

    assert response.redirect_chain == [(LIST, 302)]
    assert messages_of(response) == ["The preset “Low” was deleted with 2 renditions."]
    assert LogEntry.objects.get(action_flag=DELETION).object_repr == "Low"
    assert not Preset.objects.filter(slug="low").exists()
    assert Rendition.objects.count() == 10
    assert not cloud.access_log.operations(mark)
    assert _keys(bucket) == before

    Leftover.objects.update(next_try_at=timezone.now())
    assert removal.sweep() == 2
    assert cloud.access_log.operations(mark).items() >= {"DeleteObject": 2}.items()
    assert shown_by(asked.context) == {"free": 2}
    assert _keys(bucket) == set(Rendition.objects.values_list("key", flat=True))


def test_the_sweep_gets_them_at_a_pace_that_leaves_room_for_others(admin_client, made, monkeypatch):
    monkeypatch.setattr(presets, "PER_MINUTE", 1)
    _press(admin_client, _address("low"))
    first, second = Leftover.objects.order_by("next_try_at").values_list("next_try_at", flat=True)
    assert second - first == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("low", "2 of its renditions are in buckets under legal hold"),
        ("thumbnail", "The pages of this site show its renditions"),
        ("preview", "The pages of this site show its renditions"),
        ("high", "A preset goes with at most 1 rendition at once; this one has 2"),
    ],
)
def test_what_must_stay_stays_and_the_page_says_what_to_do_instead(admin_client, made, settings, slug, said):
    if slug == "low":
        Bucket.objects.update(legal_hold=True)
    if slug == "high":
        settings.JOB_MAX_ITEMS = 1
    page = admin_client.get(_address(slug)).content.decode()
    assert said in page
    assert "make the preset inactive instead" in " ".join(page.split())
    assert 'name="confirm"' not in page

    _press(admin_client, _address(slug))

    assert Preset.objects.filter(slug=slug).exists()
    assert Rendition.objects.count() == 12


def test_a_hold_that_is_set_after_the_page_holds(admin_client, made, monkeypatch):
    monkeypatch.setattr(presets, "made_by", lambda preset: presets.Made(count=2, held=0))
    Bucket.objects.update(legal_hold=True)
    assert "under legal hold" in _press(admin_client, _address("low")).content.decode()
    assert Rendition.objects.count() == 12


def test_another_number_than_was_shown_is_shown_first(admin_client, made):
    assert "has changed meanwhile" in _press(admin_client, _address("low"), count="1").content.decode()
    assert Preset.objects.filter(slug="low").exists()


def test_many_take_their_number(admin_client, made, settings):
    settings.JOB_CONFIRM_ABOVE = 1
    assert "Type the number of renditions, 2, to confirm." in _press(admin_client, _address("low")).content.decode()
    assert Preset.objects.filter(slug="low").exists()
    _press(admin_client, _address("low"), typed="2")
    assert not Preset.objects.filter(slug="low").exists()


def test_one_without_renditions_goes_as_anything_else_unless_pages_need_it(admin_client, db):
    for slug in ("low", "preview"):
        admin_client.post(_address(slug), {"post": "yes"})
    assert not Preset.objects.filter(slug="low").exists()
    assert Preset.objects.filter(slug="preview").exists()


def test_the_cache_forgets_them(store, cloud):
    renditions.make(image=store(jpeg(300, 300)))
    low = Rendition.objects.get(preset__slug="low")
    mark = cloud.access_log.mark()
    assert previews.fetch(low)
    assert not cloud.access_log.operations(mark)

    presets.remove(preset=low.preset)

    assert previews.fetch(low)
    assert cloud.access_log.operations(mark) == {"GetObject": 1}


def test_takes_both_permissions_and_no_action_of_the_list_goes_round_it(client, made, staff_with):
    for codename in ("delete_preset", "make_renditions_image"):
        client.force_login(staff_with("view_preset", codename))
        assert client.get(_address("low")).status_code == 403
    client.force_login(staff_with("view_preset", "delete_preset", "make_renditions_image"))
    assert client.get(_address("low")).status_code == 200
    assert "delete_selected" not in client.get(LIST).content.decode()


@pytest.mark.database
@committing
def test_one_that_is_made_at_this_moment_is_no_more(made, originals, monkeypatch):
    """Its row cannot be saved any more, and its object goes, too."""
    bucket, image = originals.renditions_bucket, made[0]
    put = renditions._put

    def put_late(*args, **options):
        etag = put(*args, **options)
        presets.remove(preset=Preset.objects.get(slug="low"))
        return etag

    image.renditions.filter(preset__slug="low").delete()
    monkeypatch.setattr(renditions, "_put", put_late)

    assert renditions.make(image=image) == 0

    connection.check_constraints()
    Leftover.objects.update(next_try_at=timezone.now())
    removal.sweep()
    assert not [key for key in _keys(bucket) if key.startswith("low/")]


class TestSlug:
    def _add(self, client, slug: str) -> str:
        data = {"name": "New", "slug": slug, "width": "300", "mode": "fit", "format": "source", "quality": "80"}
        data |= {"background": "#ffffff", "blur": "0", "active": "on"}
        return client.post(ADD, data, follow=True).content.decode()

    @pytest.mark.parametrize("slug", ["trash", "quarantine", "temp", "image", "incoming"])
    def test_may_not_be_a_folder_of_other_keys(self, admin_client, db, settings, slug):
        settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH = "incoming/now/"
        page = self._add(admin_client, slug)
        assert f"Keys that begin with “{slug}/” are kept for other objects. Choose another slug." in page
        assert not Preset.objects.filter(name="New").exists()

    @pytest.mark.parametrize("slug", ["trash-2", "images", "wide", "quarantined"])
    def test_may_be_any_other(self, admin_client, db, slug):
        self._add(admin_client, slug)
        assert Preset.objects.get(name="New").slug == slug

    def test_of_a_preset_whose_objects_are_still_to_go_waits_for_that(self, admin_client, made):
        """The keys of the new one would be the same, and what lies there would be taken for its own."""
        presets.remove(preset=Preset.objects.get(slug="low"))
        assert "Objects of an earlier preset “low” are still being deleted." in self._add(admin_client, "low")
        Leftover.objects.update(next_try_at=timezone.now())
        removal.sweep()
        self._add(admin_client, "low")
        assert Preset.objects.get(slug="low").width == 300

    def test_one_that_is_there_already_can_be_changed(self, admin_client, db):
        preset = Preset.objects.create(slug="trash", name="Old", width=9)
        page = f"{LIST}{preset.pk}/change/"
        initial = admin_client.get(page).context["adminform"].form.initial
        data = {name: value for name, value in initial.items() if value is not None} | {"name": "New"}
        assert admin_client.post(page, data).status_code == 302
        assert Preset.objects.get(slug="trash").name == "New"
