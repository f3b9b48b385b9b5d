"""Face detection: the answer kept, what is refused before it costs, and what failures leave behind."""

from collections import Counter

import pytest
from botocore.stub import Stubber

from media_catalog.aws import s3
from media_catalog.aws.client import client
from media_catalog.exceptions import AwsDenied, AwsThrottled, DetectionRefused, ObjectUnreachable, QuotaRefused
from media_catalog.models import Analysis, RequestClass, RequestLimit
from media_catalog.services import detection
from tests.pictures import encoded, jpeg, one_face, picture


def test_a_face_is_found_by_one_request_without_sending_bytes(store, cloud):
    image = store(one_face())
    mark = cloud.access_log.mark()

    analysis = detection.detect(image=image)

    assert cloud.access_log.operations(mark) == Counter(DetectFaces=1)
    assert (analysis.state, analysis.face_count) == (Analysis.State.FACES, 1)
    face = analysis.faces.get()
    centre = face.left + face.width / 2, face.top + face.height / 2
    assert centre == pytest.approx((400 / 800, 280 / 600), abs=0.05)
    assert 0 < face.confidence <= 100
    assert (face.age_low, face.age_high) == (None, None)
    assert analysis.source_etag == image.etag
    assert "dlib" in analysis.detector


def test_no_faces_is_an_answer(store):
    analysis = detection.detect(image=store())

    assert (analysis.state, analysis.face_count) == (Analysis.State.NO_FACES, 0)


def test_a_second_run_replaces_the_first(store):
    image = store(one_face())
    detection.detect(image=image)
    detection.detect(image=image)

    assert Analysis.objects.count() == 1
    assert Analysis.objects.get().faces.count() == 1


@pytest.mark.parametrize("body", [encoded(picture(), "WEBP"), jpeg(79, 300)])
def test_what_rekognition_cannot_read_fails_without_a_request(store, cloud, body):
    image = store(body)
    mark = cloud.access_log.mark()

    with pytest.raises(DetectionRefused):
        detection.detect(image=image)

    assert not cloud.access_log.operations(mark)
    analysis = Analysis.objects.get()
    assert analysis.state == Analysis.State.FAILED
    assert "JPEG and PNG of 80 × 80 pixels or more, up to 15 MB" in analysis.reason
    assert analysis.detector == "", "nobody has seen it"


def test_what_rekognition_refuses_is_said(store, originals):
    image = store(one_face())
    s3.put_object(originals.name, image.key, b"garbage", content_type="image/jpeg", overwrite=True)

    with pytest.raises(DetectionRefused):
        detection.detect(image=image)

    assert Analysis.objects.get().reason.startswith("Rekognition cannot read this image.")


def test_an_object_that_rekognition_cannot_get_is_not_called_unreadable(store, originals):
    image = store(one_face())
    s3.delete_object(originals.name, image.key)

    with pytest.raises(ObjectUnreachable):
        detection.detect(image=image)

    reason = Analysis.objects.get().reason
    assert reason.startswith("Rekognition could not get the object from S3")
    assert "JPEG" not in reason


def test_a_failure_does_not_hide_a_current_answer(store):
    image = store(one_face())
    detection.detect(image=image)
    with Stubber(client("rekognition")) as stub:
        stub.add_client_error("detect_faces", "ThrottlingException")
        with pytest.raises(AwsThrottled):
            detection.detect(image=image)

    assert Analysis.objects.get().state == Analysis.State.FACES


def test_a_failure_of_a_first_run_is_kept_with_its_reason(store):
    image = store(one_face())
    with Stubber(client("rekognition")) as stub:
        stub.add_client_error("detect_faces", "AccessDeniedException")
        with pytest.raises(AwsDenied):
            detection.detect(image=image)

    assert Analysis.objects.get().reason.startswith("AWS denied access")


def test_a_refusal_by_quota_is_no_failed_analysis(store):
    image = store(one_face())
    RequestLimit.objects.filter(request_class=RequestClass.REKOGNITION_IMAGE).update(limit=0)

    with pytest.raises(QuotaRefused):
        detection.detect(image=image)

    assert not Analysis.objects.exists()
