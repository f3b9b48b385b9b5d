"""POST /async_image/presignedurl/ and its batch."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.models import BlockedRequest, RequestLimit, Reservation, Upload
from media_catalog.services import presigned
from tests.services.direct import figures
from tests.services.objects import body_of, no_more

from .conftest import URL, create

BATCH = f"{URL}batch/"


def test_a_form_that_works(api, bucket, post):
    before = timezone.now()
    record = create(api, metadata={"Album": "press-day"})

    uuid = record["uuid"]
    assert len(uuid) == 32
    assert set(record) >= {"uuid", "credential", "timestamp_expire", "metadata", "processed_key", "error", "status"}
    assert (record["status"], record["error"], record["processed_key"]) == ("created", None, "")
    assert record["metadata"] == {"album": "press-day"}
    expiry = datetime.fromisoformat(record["timestamp_expire"])
    assert timedelta(seconds=999) < expiry - before < timedelta(seconds=1005)
    credential = record["credential"]
    assert credential["fields"]["key"] == f"temp/{uuid}"
    assert credential["fields"]["x-amz-meta-album"] == "press-day"
    assert credential["content_types"] == [f"image/{name}" for name in ("jpeg", "png", "webp", "gif", "avif", "tiff")]
    assert credential["max_bytes"] == 10 * 1024 * 1024
    assert "acl" not in credential["fields"]
    assert post(credential) == 204
    assert body_of(bucket, f"temp/{uuid}")


@pytest.mark.parametrize("url", [URL, URL.rstrip("/")])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"metadata": {}}'])
def test_metadata_and_the_last_slash_are_optional(api, url, body):
    assert api.post(url, body, content_type="application/json").status_code == 201


def test_reserves_what_the_browser_and_the_lambda_will_send(api, cloud):
    held, mark = figures("held"), cloud.access_log.mark()
    create(api)
    assert figures("held") == (held[0] + 4, held[1] + 1)  # POST and 3 renditions; 1 GET
    units = dict(Reservation.objects.get().lines.values_list("request_class", "units"))
    assert units == {"s3_tier1": 4, "s3_tier2": 1, "lambda_invocation": 1}
    assert not cloud.access_log.operations(mark)


class TestBadInput:
    @pytest.mark.parametrize(
        "body",
        [
            b"not json",
            b"[1]",
            b'"text"',
            b'{"metadata": "text"}',
            b'{"metadata": {"a": 1}}',
            b'{"metadata": {"a": "\\u0000"}}',
            b'{"metadata": {"a": "\\ud800"}}',
            b'{"metadata": NaN}',
            b"[" * 100_000,
            b"\xff\xfe",
        ],
    )
    def test_body(self, api, body):
        response = api.post(URL, body, content_type="application/json")
        assert response.status_code == 400
        assert response.json()["code"] == "presigned_url_generation_error"
        assert response.json()["detail"]
        assert not Upload.objects.exists()

    @pytest.mark.parametrize(
        ("metadata", "said"),
        [
            ({"a": "x" * 2048}, "2,048 bytes"),
            ({"a": "café"}, "printable ASCII"),
            ({"a": "one\ntwo"}, "printable ASCII"),
            ({"a": " x"}, "spaces around"),
            ({"a": ""}, "is empty"),
            ({"é": "x"}, "cannot be a name"),
            ({"a b": "x"}, "cannot be a name"),
            ({"": "x"}, "cannot be a name"),
            ({"A": "x", "a": "y"}, "each name once"),
            ({"backoffice-preset": "x"}, "kept for the product"),
        ],
    )
    def test_metadata(self, api, metadata, said):
        response = api.post(URL, {"metadata": metadata}, content_type="application/json")
        assert response.status_code == 400
        assert response.json()["code"] == "presigned_url_generation_error"
        assert said in response.json()["detail"]
        assert not Reservation.objects.exists()

    @pytest.mark.parametrize("count", [0, -1, 101, "many", None])
    def test_batch_count(self, api, count):
        response = api.post(BATCH, {"count": count}, content_type="application/json")
        assert response.status_code == 400
        assert response.json()["code"] == "presigned_url_generation_error"

    @pytest.mark.parametrize("method", ["delete", "patch"])
    @pytest.mark.parametrize("url", [URL, f"{URL}{'0' * 32}", f"{URL}{'0' * 32}/"])
    def test_other_methods(self, api, method, url):
        response = getattr(api, method)(url)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert "GET" in response["Allow"]


class TestRefusals:
    def test_by_the_quota_is_429_with_the_time_of_the_reset(self, api):
        no_more("s3_tier1", but=3)
        response = api.post(URL, {}, content_type="application/json")
        assert response.status_code == 429
        assert response.json()["code"] == "quota"
        assert "4 needed, 3 of" in response.json()["detail"]
        assert 0 < int(response["Retry-After"]) < 32 * 86400
        assert BlockedRequest.objects.get().username == api.user.username
        assert not Upload.objects.exists()

    def test_no_credentials_are_503(self, api, monkeypatch):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        forget_clients()
        response = api.post(URL, {}, content_type="application/json")
        assert response.status_code == 503
        assert response.json()["code"] == "denied"
        assert "secret" not in response.content.decode().lower()
        assert figures("held") == (0, 0)

    def test_s3_away_is_503(self, api, settings):
        """Only who asks again needs S3: whether a file has come by the first form."""
        create(api)
        settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
        forget_clients()
        response = api.post(URL, {}, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert int(response["Retry-After"]) > 0

    def test_a_failing_server_is_500_and_says_why_in_its_log(self, api, monkeypatch, caplog):
        def failing(**_options):
            raise OperationalError("disk full")

        monkeypatch.setattr(presigned, "create", failing)
        response = api.post(URL, {}, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (500, "server_error")
        assert "disk" not in response.json()["detail"]
        assert "disk full" in caplog.text

    def test_no_bucket_is_503(self, api, settings):
        settings.ASYNC_IMAGE_UPLOAD_BUCKET = "none-such"
        response = api.post(URL, {}, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (503, "not_configured")


class TestReuse:
    def test_the_same_unused_form_within_the_window(self, api):
        first = create(api, metadata={"a": "1"})
        assert create(api, metadata={"a": "1"}) == first
        assert create(api, metadata={"a": "2"})["uuid"] != first["uuid"]
        assert create(api)["uuid"] != first["uuid"]

    def test_once_so_that_a_repeat_is_the_same_and_the_next_file_is_another(self, api, post):
        """Nobody can tell a repeat from another file: the second answer is taken for the repeat, no third one."""
        first, again, third = (create(api) for _time in range(3))
        assert again == first
        assert third["uuid"] != first["uuid"]
        assert create(api) == third
        assert [post(record["credential"]) for record in (first, third)] == [204, 204]
        assert len({record["credential"]["fields"]["key"] for record in (first, third)}) == 2

    def test_of_many_at_once_one_gets_it(self, api, monkeypatch):
        """Both have found the form in the cache before either has taken it out."""
        first = create(api)
        monkeypatch.setattr(presigned.cache, "delete", lambda *_args, **_options: False)
        assert create(api)["uuid"] != first["uuid"]

    def test_not_once_a_file_has_come_by_it(self, api, post):
        first = create(api)
        post(first["credential"])
        assert create(api)["uuid"] != first["uuid"]

    def test_not_for_another_user(self, api, client, staff_with):
        first = create(api)
        client.force_login(staff_with("add_image"))
        assert create(client)["uuid"] != first["uuid"]

    def test_not_when_expired(self, api):
        first = create(api)
        Upload.objects.update(expires_at=timezone.now())
        assert create(api)["uuid"] != first["uuid"]

    def test_0_switches_it_off(self, api, settings):
        settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_REUSE_WINDOW = 0
        assert create(api)["uuid"] != create(api)["uuid"]

    def test_never_in_a_batch(self, api):
        first = create(api)
        response = api.post(BATCH, {"count": 3}, content_type="application/json")
        uuids = {record["uuid"] for record in response.json()}
        assert len(uuids | {first["uuid"]}) == 4


class TestSettings:
    def test_are_read_at_each_use(self, api, settings, post):
        settings.ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH = "incoming/"
        settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_EXPIRATION = 60
        settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH = 100
        record = create(api)
        assert record["credential"]["fields"]["key"].startswith("incoming/")
        assert datetime.fromisoformat(record["timestamp_expire"]) < timezone.now() + timedelta(seconds=61)
        assert post(record["credential"]) == 400  # too large for S3


class TestFigures:
    """All statements on tables that a request makes, who asks included; BEGIN and SAVEPOINT are none."""

    def test_create_with_a_token(self, api, client, bucket, staff_with, token_for):
        user = staff_with("add_image")
        headers = token_for(user)
        client.logout()
        client.post(URL, {"metadata": {"n": "0"}}, content_type="application/json", headers=headers)
        with CaptureQueriesContext(connection) as queries:
            response = client.post(URL, {"metadata": {"n": "1"}}, content_type="application/json", headers=headers)
        assert response.status_code == 201
        assert len(_statements(queries)) <= 6, _statements(queries)

    def test_create_in_a_session(self, api):
        create(api, metadata={"n": "0"})  # session, bucket and counters are known from now on
        with CaptureQueriesContext(connection) as queries:
            create(api, metadata={"n": "1"})
        assert len(_statements(queries)) <= 6, _statements(queries)

    def test_a_batch_of_100(self, api):
        with CaptureQueriesContext(connection) as queries:
            response = api.post(BATCH, {"count": 100}, content_type="application/json")
        assert len(response.json()) == 100
        assert len(_statements(queries)) <= 15, _statements(queries)

    def test_a_session_that_the_cache_has_lost_is_good_all_the_same(self, api):
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            create(api)
        assert any("django_session" in statement for statement in _statements(queries))

    def test_what_a_session_may_is_asked_each_time(self, api):
        """And whether it still is one: the cache holds nothing of it but whose it is."""
        create(api)
        api.user.user_permissions.clear()
        assert api.post(URL, {}, content_type="application/json").status_code == 403
        User.objects.update(is_active=False)
        assert api.post(URL, {}, content_type="application/json").status_code == 401
        User.objects.update(is_active=True)
        api.logout()
        assert api.post(URL, {}, content_type="application/json").status_code == 401


def _statements(queries):
    return [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN"))]


def test_limits_do_not_count_jobs_headroom(api):
    RequestLimit.objects.update(headroom=1_000_000)
    create(api)
