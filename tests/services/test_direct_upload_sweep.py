"""Direct uploads that nobody confirmed: found late, or their units given back; and no other sweep's business."""

from datetime import timedelta

from django.utils import timezone

from media_catalog.jobs import schedules
from media_catalog.models import Image, Job, Upload
from media_catalog.quota import reservations
from media_catalog.services import direct_uploads, uploads
from tests.aws.faults import Answer
from tests.localcloud.conftest import browser
from tests.services.direct import expired, figures, issue, last_row, post, usage
from tests.services.objects import BODY, body_of, stale_upload

__all__ = ["browser", "issue", "post"]


def test_what_never_came_gives_its_units_back(issue, cloud):
    used, held, row = figures("used"), figures("held"), last_row()
    mark = cloud.access_log.mark()
    issued = issue(2)
    expired()

    assert direct_uploads.expire() == []

    assert cloud.access_log.operations(mark) == {"GetObject": 2}
    assert usage(row) == {("GetObject", False): 2}
    assert (figures("used"), figures("held")) == ((used[0], used[1] + 2), held)
    for entry in issued:
        entry.upload.refresh_from_db()
        assert (entry.upload.status, entry.upload.error) == (Upload.Status.FAILED, "never arrived")
    assert direct_uploads.expire() == []
    assert cloud.access_log.operations(mark) == {"GetObject": 2}


def test_what_came_and_was_not_confirmed_is_as_if_it_was(issue, post, cloud, admin_user):
    used, held, row = figures("used"), figures("held"), last_row()
    mark = cloud.access_log.mark()
    came, _never = issue(2, user=admin_user)
    post(came)
    expired()

    [image] = direct_uploads.expire()

    assert Image.objects.values_list("pk", "key", "uploaded_by").get() == (image, came.upload.key, admin_user.pk)
    assert cloud.access_log.operations(mark) == {"PostObject": 1, "GetObject": 2}
    assert usage(row) == {("PostObject", True): 1, ("GetObject", False): 2}
    assert (figures("used"), figures("held")) == ((used[0] + 1, used[1] + 2), held)
    assert direct_uploads.confirm(upload=came.upload).image.pk == image


def test_what_is_no_image_is_deleted(issue, post, originals):
    [issued] = issue()
    post(issued, b"<html>")
    expired()

    assert direct_uploads.expire() == []

    assert body_of(originals, issued.upload.key) is None
    assert "not_image" in Upload.objects.get().error


def test_a_form_that_is_still_good_is_left_alone(issue, cloud):
    issue()
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=14))  # a POST may still be on its way
    mark = cloud.access_log.mark()

    assert direct_uploads.expire() == []
    assert not cloud.access_log.operations(mark)


def test_each_sweep_keeps_to_its_own(issue, post, originals, cloud):
    [issued] = issue()
    post(issued)
    Upload.objects.update(created_at=timezone.now() - timedelta(days=2), next_try_at=timezone.now())
    assert uploads.settle_stale() == []
    Upload.objects.update(next_try_at=None)
    assert uploads.settle_stale() == []

    stale_upload(originals, "late.jpg", BODY)
    assert direct_uploads.expire() == []
    assert set(Upload.objects.values_list("status", flat=True)) == {Upload.Status.CREATED}
    assert not Image.objects.exists()


def test_the_schedule_runs_both_and_makes_renditions(issue, post, originals):
    [issued] = issue()
    post(issued)
    expired()
    stale_upload(originals, "late.jpg", BODY)

    assert schedules.settle_uploads() == 2

    assert Job.objects.get().items.count() == 2


def test_one_that_fails_is_put_off_and_holds_up_no_other(issue, s3_says):
    issue(2)
    expired()
    s3_says.script.extend([Answer(status=403), Answer(status=404)])
    now = timezone.now()

    assert direct_uploads.expire() == []

    stuck, settled = Upload.objects.order_by("pk")
    assert (stuck.status, settled.status) == (Upload.Status.CREATED, Upload.Status.FAILED)
    assert timedelta(minutes=14) < stuck.next_try_at - now < timedelta(minutes=16)
    assert figures("held") == (2, 0), "the reservation is open as long as one of its uploads"
    assert direct_uploads.expire() == []
    assert len(s3_says.log) == 2


def test_it_stops_in_time_and_goes_on_at_the_next_run(issue, monkeypatch):
    issue()
    expired()
    with monkeypatch.context() as patched:
        patched.setattr(direct_uploads, "SWEEP_SECONDS", -1)
        direct_uploads.expire()
    assert Upload.objects.get().status == Upload.Status.CREATED

    direct_uploads.expire()
    assert Upload.objects.get().status == Upload.Status.FAILED


def test_units_of_a_sweep_that_never_ran_come_back_with_the_lease(issue, settings):
    held = figures("held")
    settings.QUOTA_RESERVATION_SECONDS = -10_000
    issue(3)

    assert reservations.sweep() == (0, 1)
    assert figures("held") == held
