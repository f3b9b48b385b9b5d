"""The sweeps leave the headroom of limits to interactive work, as jobs do."""

from datetime import timedelta

from django.utils import timezone

from media_catalog.jobs import schedules
from media_catalog.models import RequestClass, RequestLimit, RequestUsage, Upload


def test_a_sweep_stops_at_the_headroom(originals, cloud):
    old = timezone.now() - timedelta(hours=1)
    upload = Upload.objects.create(bucket=originals, key="never.jpg", name="never.jpg", sha256="0" * 64, created_at=old)
    limits = RequestLimit.objects.filter(request_class=RequestClass.S3_TIER2)
    limits.update(limit=100, headroom=100)
    mark = cloud.access_log.mark()

    schedules.settle_uploads()
    assert not cloud.access_log.operations(mark)

    limits.update(headroom=0)
    Upload.objects.filter(pk=upload.pk).update(next_try_at=old)
    schedules.settle_uploads()
    assert dict(cloud.access_log.operations(mark)) == {"HeadObject": 1}
    assert RequestUsage.objects.get(operation="HeadObject").job_kind == "housekeeping"
