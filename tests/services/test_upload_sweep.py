"""The sweep settles uploads whose process died, and touches nothing that is another's."""

import pytest
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.jobs import schedules
from media_catalog.models import Image, Job, Upload
from media_catalog.services import uploads
from tests.aws.faults import Answer
from tests.pictures import jpeg
from tests.services.objects import BODY, body_of, put_by_hand, stale_upload


class TestSweep:
    def test_catalogues_what_a_dead_process_uploaded(self, originals):
        late = stale_upload(originals, "late.jpg", jpeg(50, 40))

        [image] = uploads.settle_stale()

        assert Image.objects.values_list("pk", "key", "width", "height").get() == (image, "late.jpg", 50, 40)
        late.refresh_from_db()
        assert late.status == Upload.Status.COMPLETED

    def test_closes_what_never_arrived(self, originals):
        stale_upload(originals, "never.jpg", None)

        assert uploads.settle_stale() == []
        assert not Image.objects.exists()
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize(("body", "error"), [(BODY, "reported as failed"), (b"<html>", "")])
    def test_deletes_ours_when_it_was_reported_as_failed_or_is_no_image(self, originals, body, error):
        stale_upload(originals, "bad.jpg", body, error=error)

        assert uploads.settle_stale() == []
        assert body_of(originals, "bad.jpg") is None
        assert not Image.objects.exists()
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize("error", ["reported as failed", ""])
    @pytest.mark.parametrize("body", [jpeg(50, 40), b"<html>"], ids=["image", "no image"])
    @pytest.mark.parametrize("checksum", [True, False])
    def test_leaves_the_object_of_another_alone(self, originals, cloud, body, error, checksum):
        stale_upload(originals, "photo.jpg", None, error=error)
        put_by_hand(originals, "photo.jpg", body, checksum=checksum)
        mark = cloud.access_log.mark()

        assert uploads.settle_stale() == []
        assert dict(cloud.access_log.operations(mark)) == {"HeadObject": 1}
        assert body_of(originals, "photo.jpg") == body
        assert not Image.objects.exists()
        assert Upload.objects.get().status == Upload.Status.FAILED

    @pytest.mark.parametrize("error", ["reported as failed", ""])
    def test_leaves_what_the_catalogue_knows_alone(self, originals, error):
        stale_upload(originals, "photo.jpg", BODY, error=error)
        Image.objects.create(bucket=originals, key="photo.jpg", etag="another", size=1, width=1, height=1)

        assert uploads.settle_stale() == []
        assert body_of(originals, "photo.jpg") == BODY
        assert Upload.objects.get().status == Upload.Status.FAILED

    def test_what_is_catalogued_already_is_not_new(self, originals):
        stale_upload(originals, "photo.jpg", BODY)
        etag = s3.head_object(originals.name, "photo.jpg").etag
        Image.objects.create(bucket=originals, key="photo.jpg", etag=etag, size=1, width=1, height=1)

        assert uploads.settle_stale() == []
        assert Upload.objects.get().status == Upload.Status.COMPLETED

    def test_leaves_fresh_uploads_alone(self, originals):
        Upload.objects.create(bucket=originals, key="now.jpg", name="now.jpg")

        assert uploads.settle_stale() == []
        assert Upload.objects.get().tries == 0

    def test_waits_longer_after_each_try(self, originals, s3_says, settings):
        settings.UPLOAD_STALE_SECONDS = 900
        stale_upload(originals, "photo.jpg", None)
        waits = []
        for _try in range(9):
            s3_says.script.append(Answer(status=403))
            now = timezone.now()
            assert uploads.settle_stale() == uploads.settle_stale() == []
            waits.append(round((Upload.objects.get().next_try_at - now).total_seconds(), -2))
            Upload.objects.update(next_try_at=now)

        assert waits == [900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400]
        assert len(s3_says.log) == 9

    def test_one_that_fails_in_any_way_does_not_hold_up_the_others(self, originals):
        stuck = stale_upload(originals, "stuck.jpg", BODY)
        Upload.objects.filter(pk=stuck.pk).update(sha256="not a digest")
        stale_upload(originals, "late.jpg", BODY)

        assert len(uploads.settle_stale()) == 1
        stuck.refresh_from_db()
        assert stuck.status == Upload.Status.CREATED

    def test_stops_in_time_and_goes_on_at_the_next_run(self, originals, settings):
        stale_upload(originals, "late.jpg", BODY)
        settings.JOB_CHUNK_SECONDS = -1
        assert uploads.settle_stale() == []

        settings.JOB_CHUNK_SECONDS = 60
        assert len(uploads.settle_stale()) == 1

    def test_recovered_images_get_their_renditions_by_one_job(self, originals, work):
        for key in ("a.jpg", "b.jpg"):
            stale_upload(originals, key, BODY)

        assert schedules.settle_uploads() == 2
        assert schedules.settle_uploads() == 0

        job = Job.objects.get()
        assert (job.kind, job.requested_by, job.scope) == ("make_renditions", None, "Recovered uploads")
        assert job.estimate == {"s3_tier1": 12, "s3_tier2": 2}
        work()
        assert {image.renditions.count() for image in Image.objects.all()} == {6}
