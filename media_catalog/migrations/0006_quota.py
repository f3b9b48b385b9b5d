from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0005_job_holders")]
    operations = [
        migrations.RemoveConstraint("requestcounter", "request_counter_month"),
        migrations.RenameField("requestcounter", "month", "starts"),
        migrations.AddField(
            "requestcounter", "period", models.CharField(default="month", max_length=5), preserve_default=False
        ),
        migrations.RenameField("requestlimit", "source", "source_note"),
        migrations.AddField(
            "requestlimit",
            "source",
            models.CharField(default="shipped", max_length=20, verbose_name="source"),
            preserve_default=False,
        ),
        migrations.RemoveConstraint("requestusage", "request_usage_rollup"),
    ]
