"""Presets: what is refused where it is typed, which changes make a new version, and what is stale then."""

from dataclasses import fields
from functools import partial

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from media_catalog.admin.presets import PresetAdmin
from media_catalog.aws import s3
from media_catalog.exceptions import AwsDenied
from media_catalog.imaging.values import Spec
from media_catalog.models import Job, Preset, Rendition
from media_catalog.models import renditions as models
from media_catalog.services import renditions
from tests.estimating import measured


def _save(client, **changes):
    preset = Preset.objects.get(slug="low")
    fields = ("name", "width", "height", "mode", "format", "quality", "background", "blur")
    data = {name: getattr(preset, name) for name in fields} | {"active": "on"} | changes
    return client.post(f"/admin/media_catalog/preset/{preset.pk}/change/", data)


# Each differs from what “low” is shipped with.
OTHER = {
    "width": "125",
    "height": "125",
    "mode": "fit",
    "allow_upscale": "on",
    "format": "PNG",
    "quality": "50",
    "background": "#000000",
    "blur": "2",
}


@pytest.mark.parametrize("field", [field.name for field in fields(Spec) if field.name != "slug"])
def test_whatever_changes_the_pixels_makes_a_new_version(admin_client, field):
    assert _save(admin_client, **{field: OTHER[field]}).status_code == 302

    preset = Preset.objects.get(slug="low")
    assert (str(getattr(preset, field)), preset.version) == (
        {"on": "True", "2": "2.0"}.get(OTHER[field], OTHER[field]),
        2,
    )


@pytest.mark.parametrize(
    ("changes", "saved"),
    [
        ({"in_request": "on"}, {"in_request": True, "active": True}),
        ({"active": ""}, {"in_request": False, "active": False}),
        ({"name": "Smallest"}, {"name": "Smallest", "active": True}),
        ({}, {"name": "Low", "active": True}),
    ],
)
def test_what_leaves_the_pixels_alone_makes_none(admin_client, changes, saved):
    assert _save(admin_client, **changes).status_code == 302

    preset = Preset.objects.get(slug="low")
    assert {name: getattr(preset, name) for name in saved} == saved
    assert preset.version == 1


@pytest.mark.database
@pytest.mark.parametrize(("mine", "version"), [({"quality": "70"}, 3), ({"name": "Mine"}, 3), ({"quality": "60"}, 2)])
def test_two_who_save_at_once_share_a_version_for_the_same_pixels_only(admin_client, monkeypatch, mine, version):
    """Else what was made between the two saves would count as current."""
    load, between = PresetAdmin.get_object, []

    def loaded_before(page, request, *args):
        preset = load(page, request, *args)
        monkeypatch.setattr(PresetAdmin, "get_object", load)
        _save(admin_client, quality="60")
        between.append(Preset.objects.get(slug="low").version)
        return preset

    monkeypatch.setattr(PresetAdmin, "get_object", loaded_before)
    assert _save(admin_client, **mine).status_code == 302

    preset = Preset.objects.get(slug="low")
    assert between == [2]
    assert (preset.quality, preset.version) == (int(mine.get("quality", 80)), version)


def test_a_format_that_cannot_be_written_here_is_refused(admin_client, monkeypatch):
    monkeypatch.setattr(models, "WRITTEN", ("JPEG", "PNG", "WEBP"))

    page = _save(admin_client, format="AVIF").content.decode()

    assert "This installation cannot write AVIF." in page
    assert Preset.objects.get(slug="low").format == "source"


@pytest.mark.parametrize("mode", ["fit", "fill", "stretch"])
def test_a_box_of_too_many_pixels_is_refused(admin_client, settings, mode):
    settings.IMAGE_MAX_PIXELS = 1_000_000

    page = _save(admin_client, width="2000", height="501", mode=mode).content.decode()

    assert "2,000 × 501 pixels are more than the 1,000,000" in page
    assert Preset.objects.get(slug="low").width == 124


def test_one_of_just_as_many_is_saved(admin_client, settings):
    settings.IMAGE_MAX_PIXELS = 1_000_000

    assert _save(admin_client, width="2000", height="500").status_code == 302
    assert Preset.objects.get(slug="low").width == 2000


def test_a_free_side_is_left_to_the_picture(admin_client, settings):
    settings.IMAGE_MAX_PIXELS = 1_000_000

    assert _save(admin_client, width="2000", height="", mode="fit").status_code == 302


class TestStale:
    @pytest.fixture
    def image(self, store):
        made = store()
        renditions.make(image=made)
        Preset.objects.filter(slug="low").update(version=2)
        return made

    def _page(self, slug: str) -> str:
        return reverse("admin:media_catalog_preset_regenerate", args=[Preset.objects.get(slug=slug).pk])

    def _confirmation(self, client, address: str, ask: str = "get"):
        """The page, and its button."""
        shown = getattr(client, ask)(address)
        data = {name: shown.context[name] for name in ("selection", "counted_options")} | {"confirm": "1"}
        return shown, partial(client.post, address, data)

    def test_are_counted_and_regenerated_at_a_known_cost(self, admin_client, image, work):
        page = admin_client.get("/admin/media_catalog/preset/").content.decode()
        assert page.count("1 of 1, regenerate…") == 1

        shown, press = self._confirmation(admin_client, self._page("low"))
        assert shown.context["cost"].requests == {"s3_tier2": 1, "s3_tier1": 1, "free": 1}
        response = press()

        job = Job.objects.get()
        assert response["Location"] == reverse("admin:media_catalog_job_change", args=[job.pk])
        assert job.scope == "Stale renditions of preset Low"
        work()
        assert not image.renditions.stale().exists()

    def test_only_what_is_stale_of_this_preset_is_made(self, admin_client, image, store, cloud, work):
        """Nor what is missing, nor what is stale of others: page, reservation, meter and S3 agree on that."""
        image.renditions.filter(preset__slug__in=["high", "medium"]).delete()
        Preset.objects.filter(slug="preview").update(version=2)
        bare = store(name="bare.jpg")
        renditions.make_one(image=bare, preset=Preset.objects.get(slug="low"))
        Preset.objects.filter(slug="low").update(version=3)
        before = set(Rendition.objects.exclude(preset__slug="low").values_list("key", "created_at"))
        renditions.make(image=store(name="current.jpg"))
        fresh = set(Rendition.objects.exclude(preset__slug="low").values_list("key", "created_at")) - before

        shown, press = self._confirmation(admin_client, self._page("low"))
        reserved, counted, sent = measured(cloud, press, work)

        assert shown.context["title"] == "Regenerate stale renditions of preset Low"
        assert shown.context["cost"].requests == reserved == counted == sent
        assert sent == {"s3_tier2": 2, "s3_tier1": 2, "free": 2}
        assert set(Rendition.objects.exclude(preset__slug="low").values_list("key", "created_at")) == before | fresh
        assert not Rendition.objects.stale().exclude(preset__slug="preview").exists()
        assert "Regenerate stale renditions of preset Low requested" in LogEntry.objects.latest("pk").change_message

    @pytest.mark.parametrize("change", [{"version": 3}, {"active": False}, None])
    def test_what_is_no_longer_stale_when_its_turn_comes_is_skipped(self, admin_client, image, work, change):
        _shown, press = self._confirmation(admin_client, self._page("low"))
        press()
        if change:
            Preset.objects.filter(slug="low").update(**change)
        else:
            image.renditions.filter(preset__slug="low").delete()

        work()

        item = Job.objects.get().items.get()
        made = change == {"version": 3}
        assert (item.state, item.message) == (
            ("done", "1 rendition made.") if made else ("skipped", "There is no stale one any more.")
        )
        assert image.renditions.filter(preset_version=3).count() == made

    def test_a_retry_makes_no_more_than_the_job_did(self, admin_client, image, cloud, work, monkeypatch):
        image.renditions.filter(preset__slug="high").delete()
        _shown, press = self._confirmation(admin_client, self._page("low"))
        with monkeypatch.context() as patch:
            patch.setattr(s3, "get_object", _refuse)
            press()
            work()
        job = Job.objects.get()
        assert job.items.get().state == "failed"

        retry = reverse("admin:media_catalog_job_retry", args=[job.pk])
        again, press = self._confirmation(admin_client, retry, ask="post")
        reserved, counted, sent = measured(cloud, press, work)

        assert again.context["cost"].requests == reserved == counted == sent
        assert sent == {"s3_tier2": 1, "s3_tier1": 1, "free": 1}
        assert not image.renditions.filter(preset__slug="high").exists()

    def test_of_more_than_a_job_takes_the_first_are_offered(self, admin_client, image, store, work, settings):
        renditions.make(image=store(name="second.jpg"))
        Preset.objects.filter(slug="low").update(version=3)
        settings.JOB_MAX_ITEMS = 1

        for scope, left in (("Stale renditions of preset Low (1 of 2)", 1), ("Stale renditions of preset Low", 0)):
            shown, press = self._confirmation(admin_client, self._page("low"))
            words = "1 other image is left for another job: one takes at most 1."
            assert (words in shown.content.decode()) == bool(left)
            press()
            work()
            job = Job.objects.latest("pk")
            assert (job.scope, job.items.count()) == (scope, 1)
            assert Rendition.objects.stale().count() == left

    def test_without_any_there_is_nothing_to_do(self, admin_client, image):
        assert "None of the selected images" in admin_client.get(self._page("high")).content.decode()

    def test_takes_the_permission_to_make_renditions(self, client, image, staff_with):
        client.force_login(staff_with("view_preset"))
        assert client.get(self._page("low")).status_code == 403

    def test_images_are_found_by_what_is_stale_or_missing(self, admin_client, image, store):
        store(name="fresh.jpg")

        def found(value: str) -> list[str]:
            page = admin_client.get(f"/admin/media_catalog/image/?renditions={value}")
            return [row.key for row in page.context["cl"].result_list]

        assert found("stale") == ["photo.jpg"]
        assert found("missing") == ["fresh.jpg"]


def _refuse(*_args, **_options):
    raise AwsDenied("no permission")
