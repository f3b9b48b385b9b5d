"""Presets: a box larger than any picture may be is refused where it is typed."""

import pytest
from django.urls import reverse

from media_catalog.models import Job, Preset
from media_catalog.services import renditions


def _save(client, **changes):
    preset = Preset.objects.get(slug="low")
    fields = ("name", "width", "height", "mode", "format", "quality", "background", "blur")
    data = {name: getattr(preset, name) for name in fields} | {"active": "on"} | changes
    return client.post(f"/admin/media_catalog/preset/{preset.pk}/change/", data)


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

    def test_are_counted_and_regenerated_at_a_known_cost(self, admin_client, image, work):
        page = admin_client.get("/admin/media_catalog/preset/").content.decode()
        assert page.count("1 of 1, regenerate…") == 1

        shown = admin_client.get(self._page("low"))
        assert shown.context["cost"].requests == {"s3_tier2": 1, "s3_tier1": 1, "free": 1}
        confirmed = {name: shown.context[name] for name in ("selection", "counted_options")} | {"confirm": "1"}
        response = admin_client.post(self._page("low"), confirmed)

        job = Job.objects.get()
        assert response["Location"] == reverse("admin:media_catalog_job_change", args=[job.pk])
        assert job.scope == "Stale renditions of preset Low"
        work()
        assert not image.renditions.stale().exists()

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
