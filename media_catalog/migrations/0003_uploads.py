from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0002_defaults")]
    operations = [
        migrations.AddField("upload", "tries", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField("upload", "next_try_at", models.DateTimeField(blank=True, null=True)),
    ]
