"""DetectFaces in our words."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from django.utils import timezone

from media_catalog.aws import rekognition
from media_catalog.aws.client import client
from media_catalog.exceptions import AwsThrottled
from media_catalog.models import Pace
from tests.quota.ledger import used

from .conftest import PointAt
from .faults import Answer, FaultServer, rekognition_error

# As the API reference shows it, shortened; the second is of a face at the edge, of which little is known.
FACE: dict[str, Any] = {
    "BoundingBox": {
        "Width": 0.23999999463558197,
        "Height": 0.18000000715255737,
        "Left": 0.5555555820465088,
        "Top": 0.33666667342185974,
    },
    "AgeRange": {"Low": 26, "High": 38},
    "Smile": {"Value": False, "Confidence": 90.54900360107422},
    "Gender": {"Value": "Female", "Confidence": 99.99},
    "Emotions": [{"Type": "CALM", "Confidence": 96.1}, {"Type": "SAD", "Confidence": 1.5}],
    "Landmarks": [{"Type": "eyeLeft", "X": 0.6394737362861633, "Y": 0.40819624066352844}],
    "Pose": {"Roll": 0.9950747489929199, "Yaw": 13.693790435791016, "Pitch": 4.050806522369385},
    "Quality": {"Brightness": 37.60169982910156, "Sharpness": 80.0},
    "Confidence": 99.98765563964844,
}
EDGE: dict[str, Any] = {
    "BoundingBox": {"Width": 0.2, "Height": 0.3, "Left": -0.05, "Top": 0.85},
    "Confidence": 51.5,
}


@pytest.fixture
def stubber(point_at: PointAt) -> Stubber:
    """Checks what is asked and answered against the service's own model."""
    point_at("")
    return Stubber(client("rekognition"))


def test_gives_what_the_answer_says_and_nothing_more(stubber: Stubber) -> None:
    answer = {"FaceDetails": [FACE, EDGE], "OrientationCorrection": "ROTATE_0"}
    metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}}
    asked = {"Image": {"S3Object": {"Bucket": "photos", "Name": "größe.jpg"}}, "Attributes": ["ALL"]}
    stubber.add_response("detect_faces", answer | {"ResponseMetadata": metadata}, asked)

    with stubber:
        found = rekognition.detect_faces("photos", "größe.jpg")

    stubber.assert_no_pending_responses()
    assert found.faces == [
        rekognition.DetectedFace(
            left=0.5555555820465088,
            top=0.33666667342185974,
            width=0.23999999463558197,
            height=0.18000000715255737,
            confidence=99.98765563964844,
            age_low=26,
            age_high=38,
            attributes={name: FACE[name] for name in ("Smile", "Gender", "Emotions", "Landmarks", "Pose", "Quality")},
        ),
        rekognition.DetectedFace(
            left=-0.05,
            top=0.85,
            width=0.2,
            height=0.3,
            confidence=51.5,
            age_low=None,
            age_high=None,
            attributes={},
        ),
    ]
    assert found.raw == answer
    assert (found.detector, found.version) == ("Amazon Rekognition DetectFaces", "2016-06-27")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "detector", "version"),
    [
        ({"x-detector": "dlib HOG/20.0.1"}, "dlib HOG", "20.0.1"),
        ({}, "Amazon Rekognition DetectFaces", "2016-06-27"),
    ],
)
def test_names_the_detector_that_answered(
    headers: dict[str, str], detector: str, version: str, faults: FaultServer
) -> None:
    faults.script.append(Answer(body=json.dumps({"FaceDetails": [FACE]}).encode(), headers=headers))

    found = rekognition.detect_faces("photos", "a.jpg")

    assert (found.detector, found.version) == (detector, version)
    assert [(face.age_low, face.age_high, face.confidence) for face in found.faces] == [(26, 38, 99.98765563964844)]
    assert found.raw == {"FaceDetails": [FACE]}
    assert used() == {"rekognition_image": 1}


@pytest.mark.django_db
def test_sends_the_place_of_the_picture_and_not_its_bytes(faults: FaultServer) -> None:
    faults.script.append(Answer(body=b'{"FaceDetails": []}'))

    found = rekognition.detect_faces("photos", "a.jpg")

    assert found.faces == []
    assert found.raw == {"FaceDetails": []}
    [request] = faults.log
    assert request.headers["x-amz-target"] == "RekognitionService.DetectFaces"
    assert json.loads(request.body) == {
        "Image": {"S3Object": {"Bucket": "photos", "Name": "a.jpg"}},
        "Attributes": ["ALL"],
    }


def test_being_told_to_slow_down_slows_all_workers_down(faults: FaultServer, settings: Any, db: None) -> None:
    settings.REKOGNITION_PER_SECOND = 100
    faults.script.extend([rekognition_error(400, "ProvisionedThroughputExceededException")] * 3)

    with pytest.raises(AwsThrottled):
        rekognition.detect_faces("photos", "a.jpg")

    assert Pace.objects.get().per_second == 50
    assert used() == {"rekognition_image": 3}


def test_when_too_many_wait_for_their_turn_nothing_is_sent(faults: FaultServer, db: None) -> None:
    Pace.objects.create(service="rekognition", per_second=1, next_at=timezone.now() + timedelta(minutes=1))

    with pytest.raises(AwsThrottled):
        rekognition.detect_faces("photos", "a.jpg")

    assert not faults.log
    assert not used()
