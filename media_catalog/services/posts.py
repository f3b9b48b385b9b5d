"""The browser's POST of a direct upload, which the meter cannot see: counted once, by whoever hears of it first."""

from django.db import transaction

from media_catalog.models import RequestClass, Upload
from media_catalog.quota import reported
from media_catalog.quota.reported import Sent

POST = Sent(request_class=RequestClass.S3_TIER1, operation="PostObject", count=1, estimated=True)
OWN_LOOK = "our own look"  # among the reports of an upload, the first of which has counted its POST


def count(upload: Upload) -> None:
    """When we have seen the object. Together with the mark that says so; out of the upload's reservation."""
    with transaction.atomic():
        if Upload.objects.filter(pk=upload.pk, reports=[]).update(reports=[OWN_LOOK]):
            reported.count([POST], reservation=upload.reservation_id)
