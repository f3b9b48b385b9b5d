from django.db import migrations, models


def tell_sources(apps, schema_editor):
    """What staff have set is theirs; and a limit on what is free would only stand in the way of removals."""
    limits = apps.get_model("media_catalog", "RequestLimit").objects
    limits.exclude(source_note__startswith="AWS Free Tier, twelve-month figures").update(source="hand")
    limits.filter(request_class="free").delete()


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
        migrations.RunPython(tell_sources, migrations.RunPython.noop),
    ]
