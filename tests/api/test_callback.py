"""PUT /async_image/presignedurl/<uuid>: what the Lambda reports, and who may."""

import json
import threading
import uuid as uuids
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection
from django.test import Client

from media_catalog.aws import s3
from media_catalog.models import Bucket, Image, Leftover, Preset, Rendition, RequestUsage, Upload
from media_catalog.services import direct_uploads, removal
from tests.services.direct import expired
from tests.services.objects import body_of

from .conftest import SECRET, URL, call_back, create, made, signed, success


class TestSuccess:
    def test_completes_the_upload_and_catalogues_its_image(self, api, sent):
        response = call_back(api, sent, success(sent))

        assert response.status_code == 200
        record = response.json()
        assert (record["status"], record["processed_key"]) == ("completed", f"image/{sent}_small.jpg")
        assert [each["key"] for each in record["renditions"]] == [f"image/{sent}_small.jpg"]
        image = Image.objects.get()
        assert (image.key, image.width, image.uploaded_by) == (f"temp/{sent}", 60, api.user)
        assert api.get(f"{URL}{sent}").json()["status"] == "completed"

    @pytest.mark.parametrize("form", [lambda hexa: str(uuids.UUID(hexa)), lambda hexa: f"{hexa}/", str.upper])
    def test_by_each_spelling_of_the_uuid(self, api, sent, form):
        assert call_back(api, form(sent), success(sent)).status_code == 200

    @pytest.mark.parametrize(("frames", "animated"), [(3, True), (1, False)])
    def test_its_frames_are_catalogued_and_animations_marked(self, api, sent, client, admin_user, frames, animated):
        report = success(sent)
        report["source"]["probe"] |= {"frames": frames, "mode": "P", "alpha": True, "profile": "sRGB"}
        assert call_back(api, sent, report).json()["animated"] == animated
        assert Image.objects.get().frames == frames
        assert api.get(f"{URL}{sent}").json()["animated"] == animated
        client.force_login(admin_user)
        assert client.get(f"/async_image/processed_images/{sent}/").json()["animated"] == animated

    def test_renditions_of_our_presets_are_catalogued(self, api, sent):
        Preset.objects.filter(slug="thumbnail").update(width=60, height=None, format="source")
        call_back(api, sent, success(sent, "thumbnail", "small"))

        [rendition] = Rendition.objects.all()
        assert (rendition.preset.slug, rendition.key) == ("thumbnail", f"image/{sent}_thumbnail.jpg")
        assert list(Image.objects.get().renditions.current()) == [rendition]

    def test_one_of_another_size_is_not_that_presets(self, api, sent):
        call_back(api, sent, success(sent, "thumbnail", width=7, height=7))
        assert not Rendition.objects.exists()

    def test_what_the_lambda_made_goes_with_the_image(self, api, sent, bucket):
        key = f"image/{sent}_small.jpg"
        s3.put_object(bucket.renditions_bucket.name, key, b"x", content_type="image/jpeg")
        call_back(api, sent, success(sent))
        removal.remove(image=Image.objects.get())
        for leftover in Leftover.objects.all():
            removal.discard(leftover=leftover)
        assert body_of(bucket.renditions_bucket, key) is None

    def test_without_the_source_the_original_is_looked_at(self, api, sent, cloud):
        mark = cloud.access_log.mark()
        report = {"processed_key": f"image/{sent}_small.jpg", "renditions": []}
        assert call_back(api, sent, report).status_code == 200
        assert cloud.access_log.operations(mark) == {"GetObject": 1}
        assert Image.objects.get().width == 60

    def test_after_the_browser_said_so_too(self, api, sent):
        """The catalogue knew the image already."""
        direct_uploads.confirm(upload=Upload.objects.get())
        assert api.get(f"{URL}{sent}").json()["status"] == "processing"
        assert call_back(api, sent, success(sent)).json()["status"] == "completed"
        assert Image.objects.count() == 1


class TestError:
    def test_is_told_as_it_was_reported(self, api, sent):
        error = {"code": "out_of_memory", "reason": "", "facts": {}}
        assert call_back(api, sent, {"error": error}).status_code == 200
        record = api.get(f"{URL}{sent}").json()
        assert (record["status"], record["error"], record["processed_key"]) == ("error", error, "")

    @pytest.mark.parametrize("error", ["text", 5, [1, {"a": None}], {"a": {"b": "é"}}, False])
    def test_may_be_any_json(self, api, sent, error):
        assert call_back(api, sent, {"error": error}).json()["error"] == error

    def test_what_is_no_image_is_deleted(self, api, sent, bucket):
        error = {"code": "image_refused", "reason": "not_image", "facts": {"looks_like": "SVG"}}
        call_back(api, sent, {"error": error})
        for leftover in Leftover.objects.all():
            removal.discard(leftover=leftover)
        assert body_of(bucket, f"temp/{sent}") is None

    def test_damaged_is_looked_at_before_anything_is_deleted(self, api, sent, bucket):
        """What the Lambda cannot read may be sound: it has its own limits."""
        error = {"code": "image_refused", "reason": "damaged", "facts": {}}
        assert call_back(api, sent, {"error": error}).json()["error"] == error
        assert not Leftover.objects.exists()
        expired()
        assert direct_uploads.expire() == [Image.objects.get().pk]
        assert body_of(bucket, f"temp/{sent}") is not None

    def test_of_another_kind_leaves_the_object_to_the_sweep(self, api, sent, bucket):
        call_back(api, sent, {"error": {"code": "out_of_memory"}})
        assert body_of(bucket, f"temp/{sent}")
        assert Upload.objects.get().status == Upload.Status.CREATED


class TestRule:
    """The bucket's upload rule holds for what the Lambda has taken, too."""

    @pytest.fixture(autouse=True)
    def rule(self, bucket):
        Bucket.objects.filter(pk=bucket.pk).update(upload_rule=Bucket.UploadRule.EXACT)

    def test_what_does_not_fit_is_an_error_and_deleted_with_its_renditions(self, api, sent, bucket):
        s3.put_object(bucket.renditions_bucket.name, f"image/{sent}_small.jpg", b"x", content_type="image/jpeg")
        assert call_back(api, sent, success(sent)).status_code == 409
        answer = api.get(f"{URL}{sent}").json()
        assert (answer["status"], answer["error"]["reason"]) == ("error", "resolution")
        assert not Image.objects.exists()
        for leftover in Leftover.objects.all():
            removal.discard(leftover=leftover)
        assert body_of(bucket, f"temp/{sent}") is None
        assert body_of(bucket.renditions_bucket, f"image/{sent}_small.jpg") is None

    def test_also_after_the_sweep_has_given_it_up(self, api, sent):
        Upload.objects.update(status=Upload.Status.FAILED, error="never arrived")
        assert call_back(api, sent, success(sent)).status_code == 409
        assert not Image.objects.exists()

    def test_what_fits_is_taken(self, api, sent, bucket):
        Bucket.objects.filter(pk=bucket.pk).update(rule_width=60, rule_height=40)
        assert call_back(api, sent, success(sent)).status_code == 200


class TestLate:
    def test_renditions_of_a_late_run_are_not_orphaned(self, api, sent, bucket):
        call_back(api, sent, success(sent))
        assert call_back(api, sent, success(sent, "small", "large")).status_code == 409
        [leftover] = Leftover.objects.all()
        assert (leftover.bucket, leftover.key) == (bucket.renditions_bucket, f"image/{sent}_large.jpg")

    def test_nor_those_after_an_error(self, api, sent):
        call_back(api, sent, {"error": "broken"})
        for _time in range(2):
            call_back(api, sent, success(sent))
        assert Leftover.objects.get().key == f"image/{sent}_small.jpg"


class TestFinality:
    def test_the_same_again_is_200(self, api, sent):
        report = success(sent)
        first = call_back(api, sent, report)
        again = call_back(api, sent, report)
        assert (again.status_code, again.json()) == (200, first.json())

    @pytest.mark.parametrize("other", ["error", "key"])
    def test_another_result_is_409(self, api, sent, other):
        call_back(api, sent, success(sent))
        report = {"error": "late"} if other == "error" else success(sent, "large")
        response = call_back(api, sent, report)
        assert (response.status_code, response.json()["code"]) == (409, "callback_conflict")
        assert api.get(f"{URL}{sent}").json()["status"] == "completed"

    def test_success_after_an_error_is_409(self, api, sent):
        call_back(api, sent, {"error": "first"})
        assert call_back(api, sent, success(sent)).status_code == 409
        assert not Image.objects.exists()


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_of_two_results_at_once_one_is_final(api, sent):
    reports = [success(sent), {"report": "another", "error": "broken", "requests": {"s3_tier2": 1}}]
    together = threading.Barrier(2)

    def report(told):
        together.wait(10)
        try:
            return call_back(Client(), sent, told).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(report, reports)) == [200, 409]
    record = api.get(f"{URL}{sent}").json()
    assert (record["status"], bool(record["error"])) in [("completed", False), ("error", True)]
    counted = RequestUsage.objects.filter(operation="reported by the Lambda", request_class="s3_tier2")
    assert sum(counted.values_list("count", flat=True)) == 2


class TestWho:
    """Nothing of the upload is changed by what is not signed."""

    @pytest.fixture(autouse=True)
    def _unchanged(self, sent):
        yield
        assert not Upload.objects.get().is_decided

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Backoffice-Signature": "0" * 64},
            {"X-Backoffice-Signature": "é", "X-Backoffice-Timestamp": "١٢٣"},
        ],
    )
    def test_unsigned(self, api, sent, headers):
        with suppress(UnicodeEncodeError):
            assert call_back(api, sent, success(sent), headers=headers).status_code == 401

    @pytest.mark.parametrize(
        "change",
        [{"secret": "another"}, {"at": -310}, {"at": 310}],
        ids=["forged", "late", "early"],
    )
    def test_badly_signed(self, api, sent, change):
        body = b'{"error": "x"}'
        headers = signed(f"{URL}{sent}", body, **change)
        response = api.put(f"{URL}{sent}", body, content_type="application/json", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")

    def test_a_signature_of_another_upload_or_body(self, api, sent):
        body = b'{"error": "x"}'
        replayed = signed(f"{URL}{'0' * 32}", body)
        assert api.put(f"{URL}{sent}", body, content_type="application/json", headers=replayed).status_code == 401
        tampered = signed(f"{URL}{sent}", b'{"error": "y"}')
        assert api.put(f"{URL}{sent}", body, content_type="application/json", headers=tampered).status_code == 401

    def test_without_a_secret_nobody(self, api, sent, settings):
        settings.ASYNC_IMAGE_CALLBACK_SECRETS = []
        assert call_back(api, sent, {"error": "x"}).status_code == 401
        settings.ASYNC_IMAGE_CALLBACK_SECRETS = [""]
        body = b'{"error": "x"}'
        headers = signed(f"{URL}{sent}", body, secret="")
        assert api.put(f"{URL}{sent}", body, content_type="application/json", headers=headers).status_code == 401


def test_the_very_same_request_again_changes_nothing(api, sent):
    """Replayed by somebody who has seen it: within the window it is a repeat, after it nothing."""
    path, report = f"{URL}{sent}", success(sent)
    body = json.dumps(report).encode()
    for at, status in [(-200, 200), (-200, 200), (-301, 401)]:
        before = Upload.objects.values().get()
        headers = signed(path, body, at=at)
        assert api.put(path, body, content_type="application/json", headers=headers).status_code == status
    assert Upload.objects.values().get() == before
    assert RequestUsage.objects.get(operation="PostObject").count == 1


def test_two_secrets_while_one_is_changed(api, sent, settings):
    settings.ASYNC_IMAGE_CALLBACK_SECRETS = ["the-new-one", SECRET]
    report = success(sent)
    assert call_back(api, sent, report).status_code == 200


class TestBadInput:
    @pytest.mark.parametrize(
        "report",
        [
            {},
            {"processed_key": ""},
            {"processed_key": "image/x", "error": "both"},
            {"processed_key": 5},
            {"error": None},
            {"error": "a\x00b"},
            {"error": "\ud800"},
            {"error": "x", "requests": {"s3_tier1": -1}},
            {"error": "x", "requests": {"rekognition_image": 1}},
            {"error": "x", "report": "r" * 65},
        ],
    )
    def test_parameters(self, api, sent, report):
        response = call_back(api, sent, report)
        assert (response.status_code, response.json()["code"]) == (400, "callback_error")

    def test_body(self, api, sent):
        headers = signed(f"{URL}{sent}", b"no json")
        response = api.put(f"{URL}{sent}", b"no json", content_type="application/json", headers=headers)
        assert response.status_code == 400

    @pytest.mark.parametrize(
        "key", ["image/small.jpg", "temp/{uuid}", "image/{other}_small.jpg", "../image/{uuid}_small.jpg"]
    )
    def test_keys_of_others(self, api, sent, key):
        key = key.format(uuid=sent, other="0" * 32)
        for report in [
            {**success(sent), "processed_key": key},
            {**success(sent), "renditions": [{**made(sent), "key": key}]},
        ]:
            response = call_back(api, sent, report)
            assert (response.status_code, response.json()["code"]) == (400, "callback_refused")

    def test_another_source(self, api, sent):
        report = success(sent)
        report["source"]["key"] = "temp/another"
        assert call_back(api, sent, report).status_code == 400

    def test_nothing_at_s3(self, api):
        uuid = create(api)["uuid"]
        assert call_back(api, uuid, {"processed_key": f"image/{uuid}_small.jpg"}).status_code == 400

    @pytest.mark.parametrize("uuid", ["0" * 32, "nonsense", "0" * 31])
    def test_unknown_uuid(self, api, uuid):
        assert call_back(api, uuid, {"error": "x"}).status_code == 404
