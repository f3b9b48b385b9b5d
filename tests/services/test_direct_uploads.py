"""Uploads that go from the browser to S3: reserved ahead, and counted as the server counts them."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsDenied, ImageRefused, KeyRefused, QuotaRefused, QuotaShort
from media_catalog.models import RequestLimit, RequestUsage, Reservation, Upload
from media_catalog.quota import meter
from media_catalog.services import direct_uploads
from media_catalog.services.direct_uploads import Terms
from tests.localcloud.conftest import browser
from tests.pictures import encoded, jpeg, picture
from tests.posting import send
from tests.services.direct import TERMS, TIERS, figures, issue, last_row, post, usage
from tests.services.objects import body_of, no_more

__all__ = ["browser", "issue", "post"]


class TestIssue:
    def test_reserves_the_requests_and_names_the_keys(self, issue, originals, admin_user):
        held = figures("held")

        issued = issue(3, user=admin_user)

        assert figures("held") == (held[0] + 3, held[1] + 3)
        uploads = list(Upload.objects.order_by("pk"))
        assert [entry.upload for entry in issued] == uploads
        for entry, number in zip(issued, range(3), strict=True):
            upload = entry.upload
            assert (upload.key, upload.name, upload.user) == (f"temp/{upload.uuid.hex}", f"{number}.jpg", admin_user)
            assert entry.post.fields["key"] == upload.key
            assert timedelta(seconds=590) < upload.expires_at - timezone.now() <= timedelta(seconds=600)
        reservation = Reservation.objects.get()
        assert reservation.kind == Reservation.Kind.UPLOAD
        assert reservation.lease_until > uploads[0].expires_at + timedelta(hours=1)

    def test_sends_nothing(self, issue, cloud):
        mark = cloud.access_log.mark()
        issue(3)
        assert not cloud.access_log.operations(mark)

    def test_is_refused_with_the_numbers_before_anything_is_signed(self, issue, monkeypatch):
        no_more("s3_tier1", but=2)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")  # signing would fail in another way
        forget_clients()

        with pytest.raises(QuotaShort) as refusal:
            issue(3)

        [short] = refusal.value.shortfalls
        assert (short.request_class, short.needed, short.left) == ("s3_tier1", 3, 2)
        assert not Upload.objects.exists()
        assert not Reservation.objects.exists()

    @pytest.mark.parametrize(
        ("terms", "error"),
        [(TERMS, AwsDenied), (Terms(prefix="a//", max_bytes=1, seconds=60), KeyRefused)],
        ids=["no credentials", "prefix"],
    )
    def test_that_cannot_be_signed_reserves_nothing(self, terms, error, issue, monkeypatch):
        held = figures("held")
        if error is AwsDenied:
            monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
            forget_clients()

        with pytest.raises(error):
            issue(2, terms=terms)

        assert figures("held") == held
        assert not Upload.objects.exclude(status=Upload.Status.FAILED).exists()

    def test_takes_the_headroom_that_jobs_may_not(self, issue):
        RequestLimit.objects.update(headroom=1_000_000)
        assert len(issue()) == 1

    def test_fixes_the_type_that_is_said(self, issue, browser):
        [issued] = issue(content_type="image/png")
        assert issued.post.fields["Content-Type"] == "image/png"
        changed = {"Content-Type": "image/jpeg"}
        assert send(browser, issued.post, jpeg(), **changed).status == 403

    def test_refuses_a_type_that_is_not_accepted(self, issue):
        with pytest.raises(ImageRefused):
            issue(content_type="image/svg+xml")
        assert not Reservation.objects.exists()

    def test_never_allows_more_bytes_than_images_may_have(self, issue, browser, settings):
        settings.IMAGE_MAX_BYTES = 100
        [issued] = issue()
        assert send(browser, issued.post, jpeg()).status == 400


class TestConfirm:
    def test_what_was_reserved_becomes_used_exactly_as_the_server_counts(self, issue, post, cloud, admin_user):
        used, held, row = figures("used"), figures("held"), last_row()
        mark = cloud.access_log.mark()
        issued = issue(3, user=admin_user)
        for entry in issued:
            post(entry)
        assert (figures("used"), figures("held")) == (used, (held[0] + 3, held[1] + 3))

        for done, entry in enumerate(issued, start=1):
            assert direct_uploads.confirm(upload=entry.upload).new
            assert figures("used") == (used[0] + done, used[1] + done)
            assert figures("held") == (held[0] + 3 - done, held[1] + 3 - done)

        assert cloud.access_log.operations(mark) == {"PostObject": 3, "GetObject": 3}
        assert usage(row) == {("PostObject", True): 3, ("GetObject", False): 3}
        spent = RequestUsage.objects.get(operation="PostObject")
        assert (spent.username, spent.bucket) == (admin_user.username, issued[0].upload.bucket.name)
        assert Reservation.objects.get().closed_at

    def test_catalogues_what_really_came(self, issue, post, admin_user):
        [issued] = issue(user=admin_user)
        post(issued, encoded(picture(60, 30), "PNG"))

        image = direct_uploads.confirm(upload=issued.upload).image

        assert (image.key, image.name, image.content_type) == (issued.upload.key, "0.jpg", "image/png")
        assert (image.width, image.height, image.uploaded_by) == (60, 30, admin_user)
        assert len(image.sha256) == 64
        assert (issued.upload.status, issued.upload.sha256) == (Upload.Status.COMPLETED, image.sha256)

    def test_a_post_that_was_sent_counts_whatever_the_limit_is_by_then(self, issue, post, cloud):
        [issued] = issue()
        post(issued)
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        mark, row = cloud.access_log.mark(), last_row()

        assert direct_uploads.confirm(upload=issued.upload).new

        assert cloud.access_log.operations(mark) == {"GetObject": 1}
        assert usage(row) == {("PostObject", True): 1, ("GetObject", False): 1}
        assert figures("held") == (0, 0)

    def test_a_repeat_is_the_same_and_costs_nothing(self, issue, post, cloud):
        [issued] = issue()
        post(issued)
        first = direct_uploads.confirm(upload=issued.upload)
        mark, used = cloud.access_log.mark(), figures("used")

        again = direct_uploads.confirm(upload=issued.upload)

        assert (again.image, again.new) == (first.image, False)
        assert not cloud.access_log.operations(mark)
        assert figures("used") == used
        first.image.delete()
        assert direct_uploads.confirm(upload=issued.upload) is None

    def test_of_what_has_not_come_yet_can_be_repeated(self, issue, post):
        [issued] = issue()
        assert direct_uploads.confirm(upload=issued.upload) is None
        assert issued.upload.status == Upload.Status.CREATED

        post(issued)
        assert direct_uploads.confirm(upload=issued.upload).new

    def test_a_report_since_the_upload_was_read_has_counted_the_post(self, issue, post):
        [issued] = issue()
        post(issued)
        row = last_row()
        Upload.objects.update(reports=["of the Lambda"])
        assert direct_uploads.confirm(upload=issued.upload).new
        assert usage(row) == {("GetObject", False): 1}

    def test_works_at_a_limit_that_others_have_used_up(self, issue, post):
        [issued] = issue()
        post(issued)
        for tier, used, held in zip(TIERS, figures("used"), figures("held"), strict=True):
            RequestLimit.objects.filter(request_class=tier).update(limit=used + held)
        with pytest.raises(QuotaRefused):
            meter.spend("s3", "PutObject")

        assert direct_uploads.confirm(upload=issued.upload).new

    @pytest.mark.parametrize("limit", [1_000_000, 10], ids=["no image", "too large by now"])
    def test_what_is_no_accepted_image_is_deleted(self, limit, issue, post, originals, cloud, settings):
        [issued] = issue()
        used, held = figures("used"), figures("held")
        post(issued, b"<html>not an image</html>")
        settings.IMAGE_MAX_BYTES = limit
        mark = cloud.access_log.mark()

        with pytest.raises(ImageRefused):
            direct_uploads.confirm(upload=issued.upload)

        assert cloud.access_log.operations(mark) == {"GetObject": 1, "DeleteObject": 1}
        assert body_of(originals, issued.upload.key) is None
        assert (issued.upload.status, direct_uploads.confirm(upload=issued.upload)) == (Upload.Status.FAILED, None)
        assert figures("used") == (used[0] + 1, used[1] + 1 + 1)  # and the look of this test
        assert figures("held") == (held[0] - 1, held[1] - 1)

    @pytest.mark.database
    @pytest.mark.django_db(transaction=True)
    def test_two_at_once_are_one(self, issue, post, cloud):
        [issued] = issue()
        post(issued)
        mark = cloud.access_log.mark()
        found = []
        together = threading.Barrier(2)

        def confirm():
            together.wait(10)
            found.append(direct_uploads.confirm(upload=Upload.objects.get()))
            connection.close()

        threads = [threading.Thread(target=confirm) for _number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(arrival is not None and arrival.new for arrival in found) == 1
        assert cloud.access_log.operations(mark) == {"GetObject": 1}
        assert RequestUsage.objects.get(operation="PostObject").count == 1
