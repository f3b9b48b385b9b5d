"""Presets: a box larger than any picture may be is refused where it is typed."""

import pytest

from media_catalog.models import Preset


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
