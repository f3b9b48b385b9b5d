import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import media_catalog.models.leftovers


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0003_uploads")]
    operations = [
        migrations.CreateModel(
            name="Leftover",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "bucket",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="media_catalog.bucket"
                    ),
                ),
                ("key", models.CharField(max_length=1200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "next_try_at",
                    models.DateTimeField(db_index=True, default=media_catalog.models.leftovers.first_sweep),
                ),
            ],
            options={"verbose_name": "leftover", "verbose_name_plural": "leftovers", "default_permissions": ()},
        ),
        migrations.AddIndex("rendition", models.Index(fields=["bucket", "key"], name="rendition_bucket_key")),
    ]
