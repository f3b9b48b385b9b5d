from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0009_audit_guard")]
    operations = [
        migrations.AddField(
            "bucket",
            "legal_hold",
            models.BooleanField(
                default=False,
                help_text="Images of this bucket cannot be removed here. S3 itself is not told: other tools still can.",
                verbose_name="legal hold",
            ),
        ),
        migrations.AlterField(
            "reservation",
            "kind",
            models.CharField(choices=[("job", "Job"), ("upload", "Presigned upload")], max_length=10),
        ),
    ]
