"""The settings of the function: what is wrong stops it, by name."""

import re
from pathlib import Path

import pytest

from backoffice.settings import base
from resizer import settings
from resizer.settings import SettingsError, read

NEEDED = {"RENDITIONS_BUCKETS": '{"uploads": "renditions"}'}


def test_the_defaults():
    chosen = read(NEEDED)

    assert [(spec.slug, spec.width, spec.height, spec.mode, spec.allow_upscale) for spec in chosen.presets] == [
        ("large", 1280, 1280, "fit", False),
        ("medium", 640, 640, "fit", False),
        ("small", 200, 200, "fit", False),
    ]
    assert (chosen.thumbnail.width, chosen.thumbnail.height) == (200, None)
    assert (chosen.temp_prefix, chosen.upload_bucket, chosen.callback) == ("temp/", "", None)


def test_what_is_accepted_by_default_is_what_the_forms_of_the_site_let_through():
    limits = read(NEEDED).limits

    assert limits.formats == base.IMAGE_FORMATS
    assert (limits.max_bytes, limits.max_pixels) == (base.IMAGE_MAX_BYTES, base.IMAGE_MAX_PIXELS)


def test_presets_of_ones_own_with_blurred_ones():
    presets = '{"card": {"width": 300, "mode": "fit", "format": "WEBP", "quality": 70}}'
    chosen = read({**NEEDED, "PRESETS": presets, "BLUR": "1", "BLUR_RADIUS": "9"})

    assert [(spec.slug, spec.blur) for spec in chosen.presets] == [("card", 0), ("card-blur", 9)]
    assert chosen.presets[1].format == "WEBP"


def test_the_readme_names_each():
    code, readme = (Path(settings.__file__).parents[1] / name for name in ("resizer/settings.py", "README.md"))
    names = set(re.findall(r'"([A-Z][A-Z_]{3,})"', code.read_text())) - {"JPEG", "THUMBNAIL"}

    assert len(names) >= 15
    assert names <= set(re.findall(r"`([A-Z_]+)`", readme.read_text()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"RENDITIONS_BUCKETS": ""}, "RENDITIONS_BUCKETS must be"),
        ({"RENDITIONS_BUCKETS": "{}"}, "RENDITIONS_BUCKETS must be"),
        ({"RENDITIONS_BUCKETS": '{"uploads": 1}'}, "RENDITIONS_BUCKETS must be"),
        ({"PRESETS": "{"}, "PRESETS is not JSON"),
        ({"PRESETS": "[1]"}, "PRESETS must be an object"),
        ({"PRESETS": '{"a/b": {"width": 1}}'}, "is no slug"),
        ({"PRESETS": '{"a": {"size": 1}}'}, "a may have"),
        ({"PRESETS": '{"a": 1}'}, "a may have"),
        ({"PRESETS": '{"a": {}}'}, "at least one"),
        ({"PRESETS": '{"a": {"width": 0}}'}, "sides of"),
        ({"PRESETS": '{"a": {"width": "1"}}'}, "PRESETS"),
        ({"PRESETS": '{"a": {"width": 9, "mode": "squeeze"}}'}, "mode"),
        ({"PRESETS": "{" + ", ".join(f'"p{n}": {{"width": 9}}' for n in range(21)) + "}"}, "at most 20"),
        ({"BLUR": "true", "BLUR_RADIUS": "101"}, "blur must be"),
        ({"BLUR": "true", "BLUR_RADIUS": "-1"}, "BLUR_RADIUS"),
        ({"THUMBNAIL_WIDTH": "wide"}, "THUMBNAIL_WIDTH"),
        ({"IMAGE_MAX_PIXELS": "0"}, "IMAGE_MAX_PIXELS"),
        ({"IMAGE_FORMATS": "JPEG,SVG"}, "IMAGE_FORMATS"),
        ({"CALLBACK_URL": "backoffice.example"}, "CALLBACK_URL must be"),
        ({"CALLBACK_URL": "file:///etc/passwd", "CALLBACK_SECRET": "s"}, "CALLBACK_URL must be"),
        ({"CALLBACK_URL": "https://backoffice.example/"}, "needs either"),
        ({"CALLBACK_URL": "https://x.example/", "CALLBACK_SECRET": "s", "CALLBACK_SECRET_ARN": "a"}, "needs either"),
    ],
)
def test_what_is_wrong_is_named(wrong, said):
    with pytest.raises(SettingsError, match=said):
        read({**NEEDED, **wrong})
