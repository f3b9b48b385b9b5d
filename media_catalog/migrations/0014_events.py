"""The resize engine of buckets, and requests to SQS as a class with a limit of their own."""

from datetime import date

from django.db import migrations, models

LIMIT = {
    "limit": 1_000_000,
    "source": "shipped",
    "source_note": "AWS Free Tier: a million requests a month, for all accounts (https://aws.amazon.com/sqs/pricing/)",
    "source_date": date(2026, 11, 20),
}


def limit_queues(apps, schema_editor):
    limits = apps.get_model("media_catalog", "RequestLimit")
    limits.objects.get_or_create(request_class="sqs_request", period="month", defaults=LIMIT)


class Migration(migrations.Migration):

    dependencies = [
        ('media_catalog', '0013_presets_and_rules'),
    ]

    operations = [
        migrations.AddField(
            model_name='bucket',
            name='resize_engine',
            field=models.CharField(choices=[('worker', 'Worker'), ('lambda', 'Lambda function')], default='worker', help_text='Who makes renditions of images that arrive. After a change, S3 must be told by the command wire_events.', max_length=6, verbose_name='resize engine'),
        ),
        migrations.AlterField(
            model_name='blockedrequest',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20, verbose_name='request class'),
        ),
        migrations.AlterField(
            model_name='limitalert',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20),
        ),
        migrations.AlterField(
            model_name='requestcounter',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20),
        ),
        migrations.AlterField(
            model_name='requestlimit',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20, verbose_name='request class'),
        ),
        migrations.AlterField(
            model_name='requestusage',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20, verbose_name='request class'),
        ),
        migrations.AlterField(
            model_name='reservedunits',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20),
        ),
        migrations.AlterField(
            model_name='savedrequests',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20),
        ),
        migrations.AlterField(
            model_name='unitblock',
            name='request_class',
            field=models.CharField(choices=[('s3_tier1', 'S3 PUT, COPY, POST, LIST'), ('s3_tier2', 'S3 GET and all other'), ('rekognition_image', 'Rekognition images'), ('lambda_invocation', 'Lambda invocations'), ('sqs_request', 'SQS requests'), ('free', 'Free of charge (DELETE)')], max_length=20),
        ),
        migrations.RunPython(limit_queues, migrations.RunPython.noop),
    ]
