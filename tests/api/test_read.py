"""GET: own uploads, the long poll, and the recovery of a lost callback."""

import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from media_catalog.api import waiting
from media_catalog.aws.client import forget_clients
from media_catalog.jobs import enqueue, schedules
from media_catalog.models import Bucket, Image, Job, JobItem, Preset, Upload
from media_catalog.services import direct_uploads
from tests.pictures import encoded, picture
from tests.services.direct import expired

from .conftest import URL, call_back, create, success


class TestStatus:
    def test_created_then_expired(self, api):
        uuid = create(api, metadata={"a": "1"})["uuid"]
        record = api.get(f"{URL}{uuid}").json()
        assert (record["status"], record["metadata"]) == ("created", {"a": "1"})
        assert record["credential"]["fields"]["key"] == f"temp/{uuid}"

        Upload.objects.update(expires_at=timezone.now())
        record = api.get(f"{URL}{uuid}").json()
        assert (record["status"], record["credential"]) == ("expired", None)

    def test_the_credential_of_a_read_works(self, api, post):
        uuid = create(api)["uuid"]
        assert post(api.get(f"{URL}{uuid}").json()["credential"]) == 204

    def test_completed_goes_before_expired(self, api, post):
        record = create(api)
        post(record["credential"])
        call_back(api, record["uuid"], success(record["uuid"]))
        Upload.objects.update(expires_at=timezone.now())
        assert api.get(f"{URL}{record['uuid']}/").json()["status"] == "completed"

    @pytest.mark.parametrize("uuid", ["0" * 32, "nonsense", "0" * 31 + "g", "%00" * 32])
    def test_unknown_is_404(self, api, uuid):
        response = api.get(f"{URL}{uuid}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    def test_of_others_is_404(self, api, client, staff_with):
        uuid = create(api)["uuid"]
        client.force_login(staff_with("add_image", "view_image"))
        assert client.get(f"{URL}{uuid}").status_code == 404
        assert client.get(URL).json() == {"items": [], "count": 0}


class TestList:
    def test_newest_first_in_pages_without_credentials(self, api):
        response = api.post(f"{URL}batch/", {"count": 3}, content_type="application/json")
        uuids = [record["uuid"] for record in response.json()]
        first = api.get(URL, {"limit": 2}).json()
        second = api.get(URL, {"limit": 2, "offset": 2}).json()
        assert first["count"] == 3
        assert [item["uuid"] for item in first["items"] + second["items"]] == uuids[::-1]
        assert all("credential" not in item for item in first["items"])

    @pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"offset": 10**19}])
    def test_pages_that_are_none(self, api, query):
        response = api.get(URL, query)
        assert (response.status_code, response.json()["code"]) == (400, "bad_request")


class TestLostCallback:
    @pytest.fixture
    def sent(self, api, post):
        record = create(api)
        assert post(record["credential"]) == 204
        return record["uuid"]

    def _later(self, seconds):
        Upload.objects.update(created_at=timezone.now() - timedelta(seconds=seconds))

    def test_within_the_grace_nothing_is_asked(self, api, sent, cloud):
        mark = cloud.access_log.mark()
        assert api.get(f"{URL}{sent}").json()["status"] == "created"
        assert not cloud.access_log.operations(mark)

    def test_then_the_poll_finds_the_object_and_our_worker_does_the_rest(self, api, sent, work, settings):
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        assert api.get(f"{URL}{sent}").json()["status"] == "processing"
        assert Job.objects.get().kind == "make_renditions"

        work()

        record = api.get(f"{URL}{sent}").json()
        assert record["status"] == "completed"
        assert record["processed_key"] in [rendition["key"] for rendition in record["renditions"]]
        assert len(record["renditions"]) == Image.objects.get().renditions.count()
        assert Job.objects.count() == 1

    def test_the_image_becomes_known_together_with_its_job_or_not_at_all(self, api, sent, work, settings, monkeypatch):
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)

        def failing(*_args):
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(enqueue, "_write_items", failing)
            assert api.get(f"{URL}{sent}").status_code == 500
        assert not Image.objects.exists()
        assert api.get(f"{URL}{sent}").json()["status"] == "created"
        cache.clear()  # the grace is over
        assert api.get(f"{URL}{sent}").json()["status"] == "processing"
        assert Job.objects.get().items.count() == 1

    @pytest.mark.parametrize("engine", ["worker", "lambda"])
    def test_the_job_needs_no_get_of_its_own(self, api, sent, work, settings, cloud, engine):
        Bucket.objects.filter(resize_engine="worker", renditions_bucket__isnull=False).update(resize_engine=engine)
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        mark = cloud.access_log.mark()
        api.get(f"{URL}{sent}")
        work()
        assert cloud.access_log.operations(mark) == {"GetObject": 1, "PutObject": 6}

    def test_one_look_in_each_grace(self, api, cloud, settings):
        uuid = create(api)["uuid"]
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        mark = cloud.access_log.mark()
        for _poll in range(3):
            assert api.get(f"{URL}{uuid}").json()["status"] == "created"
        assert cloud.access_log.operations(mark) == {"GetObject": 1}

    def test_what_is_no_image_behind_an_image_type_is_an_error(self, api, post, settings):
        record = create(api)
        post(record["credential"], b"<svg xmlns='http://www.w3.org/2000/svg'/>")
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        answer = api.get(f"{URL}{record['uuid']}").json()
        assert (answer["status"], answer["error"]["code"]) == ("error", "image_refused")
        assert answer["error"]["reason"] == "not_image"
        assert answer["error"]["facts"] == {"looks_like": "SVG", "accepted": list(settings.IMAGE_FORMATS)}

    def test_with_s3_away_the_poll_still_answers(self, api, sent, settings):
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
        forget_clients()
        assert api.get(f"{URL}{sent}").status_code == 200

    def test_with_too_little_memory_the_poll_still_answers(self, api, post, memory_is_back, settings):
        record = create(api)
        assert post(record["credential"], encoded(picture(), "TIFF"), content_type="image/tiff") == 204
        uuid = record["uuid"]
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        assert api.get(f"{URL}{uuid}").json()["status"] == "created"
        memory_is_back()
        cache.clear()  # the look of the next grace
        assert api.get(f"{URL}{uuid}").json()["status"] == "processing"

    def test_an_image_removed_meanwhile_is_an_error(self, api, sent, settings):
        self._later(settings.ASYNC_IMAGE_CALLBACK_GRACE + 1)
        api.get(f"{URL}{sent}")
        Image.objects.all().delete()
        assert api.get(f"{URL}{sent}").json()["error"]["code"] == "removed"


class TestLostJob:
    """The image is known, and the job of its renditions was never started, or has failed: no upload waits for ever."""

    @pytest.fixture
    def found(self, api, post, bucket):
        """The uuid of an upload whose image the sweep has found, in a bucket that the Lambda serves."""
        Bucket.objects.filter(pk=bucket.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
        record = create(api)
        assert post(record["credential"]) == 204
        Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))
        expired()
        assert len(direct_uploads.expire()) == 1
        return record["uuid"]

    def test_a_poll_starts_it_once_in_each_grace(self, api, found, work):
        assert api.get(f"{URL}{found}").json()["status"] == "processing"
        Job.objects.all().delete()
        api.get(f"{URL}{found}")
        assert not Job.objects.exists()
        cache.clear()
        for _poll in range(2):
            assert api.get(f"{URL}{found}").json()["status"] == "processing"
            cache.clear()
        assert Job.objects.count() == 1
        work()
        assert api.get(f"{URL}{found}").json()["status"] == "completed"

    def test_the_sweep_starts_it_without_a_poll_and_gives_the_result(self, api, found, work):
        schedules.settle_uploads()
        assert Job.objects.get().items.count() == 1
        work()
        schedules.settle_uploads()
        assert Job.objects.count() == 1
        assert Upload.objects.get().processed_key

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_its_failure_is_the_uploads(self, api, found, state):
        api.get(f"{URL}{found}")
        JobItem.objects.update(state=state)
        answer = api.get(f"{URL}{found}").json()
        assert (answer["status"], answer["error"]["code"]) == ("error", "renditions_failed")

    def test_a_parked_one_is_waited_for(self, api, found):
        api.get(f"{URL}{found}")
        JobItem.objects.update(state="parked")
        cache.clear()
        assert api.get(f"{URL}{found}").json()["status"] == "processing"
        assert Job.objects.count() == 1

    def test_without_presets_there_is_nothing_to_wait_for(self, api, found):
        Preset.objects.update(active=False)
        assert api.get(f"{URL}{found}").json()["error"]["code"] == "renditions_failed"


class TestLongPoll:
    def test_answers_after_the_time_when_nothing_happens(self, api):
        uuid = create(api)["uuid"]
        begun = time.monotonic()
        assert api.get(f"{URL}{uuid}", {"wait": 1}).json()["status"] == "created"
        assert 0.9 < time.monotonic() - begun < 5

    def test_answers_when_the_status_changes(self, api, monkeypatch):
        """In the pause of the poll the Lambda reports."""
        uuid = create(api)["uuid"]
        monkeypatch.setattr(waiting.time, "sleep", lambda _seconds: call_back(api, uuid, {"error": "broken"}))
        assert api.get(f"{URL}{uuid}", {"wait": 25}).json()["status"] == "error"

    def test_a_final_status_is_answered_at_once(self, api):
        uuid = create(api)["uuid"]
        call_back(api, uuid, {"error": "broken"})
        begun = time.monotonic()
        api.get(f"{URL}{uuid}", {"wait": 25})
        assert time.monotonic() - begun < 5

    @pytest.mark.parametrize("wait", ["26", "-1", "long"])
    def test_no_longer_than_25_seconds(self, api, wait):
        assert api.get(f"{URL}{create(api)['uuid']}", {"wait": wait}).status_code == 400

    def test_too_many_are_503(self, api, settings):
        uuid = create(api)["uuid"]
        settings.API_MAX_WAITERS = 1
        entered, leave = threading.Event(), threading.Event()

        def hold():
            def is_over():
                entered.set()
                return leave.wait(10)

            waiting.until(is_over, 10)

        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait(10)
        response = api.get(f"{URL}{uuid}", {"wait": 1})
        leave.set()
        thread.join()
        assert (response.status_code, response.json()["code"]) == (503, "too_many_waiters")
        assert response["Retry-After"] == "5"
        assert api.get(f"{URL}{uuid}", {"wait": 1}).status_code == 200


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_waiting_poll_holds_no_connection(api, monkeypatch):
    uuid = create(api)["uuid"]
    held = []
    monkeypatch.setattr(waiting.time, "sleep", lambda _seconds: held.append(connection.connection))
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 0.01)
    api.get(f"{URL}{uuid}", {"wait": 1})
    assert held
    assert set(held) == {None}


def test_pictures_of_other_types_are_taken(api, post, settings):
    record = create(api)
    assert post(record["credential"], encoded(picture(60, 40), "PNG"), content_type="image/png") == 204
    Upload.objects.update(created_at=timezone.now() - timedelta(seconds=settings.ASYNC_IMAGE_CALLBACK_GRACE + 1))
    api.get(f"{URL}{record['uuid']}")
    assert Image.objects.get().content_type == "image/png"
