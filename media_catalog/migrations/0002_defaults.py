"""The presets and request limits that a new installation starts with. Staff edit both."""

from datetime import date

from django.db import migrations

# The thumbnail of every list; the four qualities, which crop; and the uncropped preview that the change page shows
# under the face boxes, because boxes are ratios of the whole picture.
PRESETS = [
    {"slug": "thumbnail", "name": "Thumbnail", "width": 200, "height": None, "mode": "fit", "quality": 80},
    {"slug": "very-high", "name": "Very High", "width": 1024, "height": 1024, "mode": "fill", "allow_upscale": True},
    {"slug": "high", "name": "High", "width": 1024, "height": 786, "mode": "fill"},
    {"slug": "medium", "name": "Medium", "width": 786, "height": 786, "mode": "fill"},
    {"slug": "low", "name": "Low", "width": 124, "height": 124, "mode": "fill", "quality": 80},
    {"slug": "preview", "name": "Preview", "width": 1280, "height": 1280, "mode": "fit", "quality": 80},
]

# Customary figures of the twelve-month free tier. New accounts have had credits instead since July 2025, so the
# right figures are the account's own.
SOURCE = "AWS Free Tier, twelve-month figures for accounts before July 2025"
SOURCE_DATE = date(2026, 11, 20)
LIMITS = {"s3_tier1": 2_000, "s3_tier2": 20_000, "rekognition_image": 1_000}


def create(apps, schema_editor):
    preset_model = apps.get_model("media_catalog", "Preset")
    for preset in PRESETS:
        preset_model.objects.get_or_create(slug=preset["slug"], defaults=preset)
    limit_model = apps.get_model("media_catalog", "RequestLimit")
    for request_class, limit in LIMITS.items():
        limit_model.objects.get_or_create(
            request_class=request_class,
            defaults={"limit": limit, "source": SOURCE, "source_date": SOURCE_DATE},
        )


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
