import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0010_legal_hold")]
    operations = [
        migrations.AddField("upload", "expires_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            "upload",
            "reservation",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="uploads",
                to="media_catalog.reservation",
            ),
        ),
    ]
