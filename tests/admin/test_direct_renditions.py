"""Renditions of direct uploads: made at once, and by one job for all."""

import pytest

from media_catalog.aws import s3
from media_catalog.exceptions import AwsUnavailable
from media_catalog.models import Bucket, Image, Job, JobItem, RequestLimit
from media_catalog.services import handover
from tests.api.conftest import post
from tests.localcloud.conftest import browser
from tests.pictures import jpeg
from tests.services.direct import figures, last_row, usage
from tests.services.objects import no_more

from .uploading import ask, begin, file, no_more_than_held, page, send

__all__ = ["browser", "page", "post"]


class TestMadeAtOnce:
    """The rendition that belongs into the upload, and the bytes for those that do not."""

    def test_its_link_is_in_the_answer(self, page, originals, post, cloud):
        mark = cloud.access_log.mark()
        form, answer = send(page, originals, post, body=jpeg(2000, 1500), renditions=True)

        [main] = answer["main"]
        assert main["text"] == "High (1024 × 786)"
        assert "/high/" in page.get(main["url"])["Location"]
        assert cloud.access_log.operations(mark) == {"PostObject": 1, "GetObject": 1, "PutObject": 1}
        again = ask(page, "finish", uuid=form["uuid"], renditions=True).json()
        assert again == answer

    def test_the_whole_way_is_one_post_one_get_and_a_put_for_each_rendition(self, page, originals, post, cloud, work):
        used, row, mark = figures("used"), last_row(), cloud.access_log.mark()
        form, _answer = send(page, originals, post, body=jpeg(2000, 1500), renditions=True)
        ask(page, "start-renditions", uuids=[form["uuid"]])
        work()

        assert JobItem.objects.get().state == JobItem.State.DONE
        assert Image.objects.get().renditions.current().count() == 6
        assert cloud.access_log.operations(mark) == {"PostObject": 1, "GetObject": 1, "PutObject": 6}
        assert usage(row) == {("PostObject", True): 1, ("GetObject", False): 1, ("PutObject", False): 1 + 5}
        assert figures("used") == (used[0] + 1 + 6, used[1] + 1)
        assert figures("held") == (0, 0)

    def test_its_put_is_reserved_with_the_batch(self, page, originals, post):
        held = figures("held")
        [form, _other] = begin(page, originals, file("a.jpg"), file("b.jpg"), renditions=True)
        assert figures("held") == (held[0] + 4, held[1] + 2)
        no_more_than_held()
        assert post(form) == 204
        assert ask(page, "finish", uuid=form["uuid"], renditions=True).json()["main"]

    def test_the_quota_counts_it_before_anything_is_signed(self, page, originals):
        no_more("s3_tier1", but=3)
        response = begin(page, originals, file("a.jpg"), file("b.jpg"), renditions=True)
        assert response.status_code == 429
        assert "4 needed, 3 of" in response.json()["reason"]

    def test_what_it_cannot_have_is_left_to_the_job(self, page, originals, post, work):
        """It was not reserved, and there is none left."""
        [form] = begin(page, originals, file())
        assert post(form) == 204
        no_more_than_held()
        answer = ask(page, "finish", uuid=form["uuid"], renditions=True).json()
        assert (answer["state"], answer["main"]) == ("done", [])

        RequestLimit.objects.update(limit=1_000_000)
        ask(page, "start-renditions", uuids=[form["uuid"]])
        work()
        assert Image.objects.get().renditions.count() == 6

    @pytest.mark.parametrize("fault", [AwsUnavailable("down"), RuntimeError("no child"), MemoryError()])
    def test_no_fault_fails_the_upload(self, page, originals, post, monkeypatch, fault):
        def failing(*_args, **_options):
            raise fault

        monkeypatch.setattr(s3, "put_object", failing)
        _form, answer = send(page, originals, post, renditions=True)
        assert (answer["state"], answer["main"]) == ("done", [])

    def test_not_when_nobody_asks_or_may(self, client, page, originals, post, staff_with, cloud):
        mark = cloud.access_log.mark()
        _form, answer = send(page, originals, post)
        assert answer["main"] == []
        client.force_login(staff_with("add_image", "view_image"))
        _form, answer = send(client, originals, post, renditions=True)
        assert answer["main"] == []
        assert "PutObject" not in cloud.access_log.operations(mark)

    def test_of_a_bucket_that_the_lambda_serves_nothing_is_left_for_a_job(self, page, originals, post):
        Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
        _form, answer = send(page, originals, post, renditions=True)
        assert answer["main"]
        assert handover.take(Image.objects.get()) is None


class TestRenditions:
    def test_one_job_for_all(self, page, originals, post, work):
        uuids = [send(page, originals, post, name)[0]["uuid"] for name in ("a.jpg", "b.jpg")]
        answer = ask(page, "start-renditions", uuids=uuids).json()
        job = Job.objects.get()
        assert answer["url"] == f"/admin/media_catalog/job/{job.pk}/change/"
        assert job.items.count() == 2

    def test_not_of_others_uploads_or_of_nothing(self, page, client, originals, post, staff_with):
        form, _answer = send(page, originals, post)
        assert ask(page, "start-renditions", uuids=[]).status_code == 400
        client.force_login(staff_with("add_image", "make_renditions_image"))
        assert ask(client, "start-renditions", uuids=[form["uuid"]]).status_code == 400

    def test_needs_its_permission(self, client, originals, staff_with):
        client.force_login(staff_with("add_image"))
        assert ask(client, "start-renditions", uuids=[]).status_code == 403
