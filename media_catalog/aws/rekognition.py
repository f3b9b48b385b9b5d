"""Rekognition in our words."""

import logging
from dataclasses import dataclass, field
from typing import Any

from media_catalog.exceptions import AwsThrottled
from media_catalog.quota import pace

from .client import call, client

logger = logging.getLogger(__name__)

DETECTOR = "Amazon Rekognition DetectFaces"
DETECTOR_HEADER = "x-detector"  # "name/version", sent by a stand-in that is not Rekognition


@dataclass(frozen=True, kw_only=True)
class DetectedFace:
    """Box sides are ratios, as returned; `confidence` is a percentage; ages are None when not reported."""

    left: float
    top: float
    width: float
    height: float
    confidence: float
    age_low: int | None
    age_high: int | None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """`raw` is the answer as received. Rekognition names no model version, so `version` is that of its API."""

    faces: list[DetectedFace]
    raw: dict[str, Any]
    detector: str
    version: str


def detect_faces(bucket: str, key: str) -> Detection:
    """Detect the faces of an image in S3, with all attributes. One Rekognition image; no bytes are sent by us.

    Raises DetectionRefused when Rekognition cannot read the image.
    """
    try:
        with call(bucket=bucket):
            answer = client("rekognition").detect_faces(
                Image={"S3Object": {"Bucket": bucket, "Name": key}}, Attributes=["ALL"]
            )
    except AwsThrottled as error:
        if isinstance(error.__cause__, pace.TooFarAhead):
            raise
        logger.warning("Rekognition is asked %s times a second from now on", pace.slow_down("rekognition"))
        raise
    raw = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    name, _slash, version = headers.get(DETECTOR_HEADER, "").rpartition("/")
    return Detection(
        faces=[_face(dict(detail)) for detail in answer["FaceDetails"]],
        raw=raw,
        detector=name or DETECTOR,
        version=version or client("rekognition").meta.service_model.api_version,
    )


def _face(detail: dict[str, Any]) -> DetectedFace:
    box = detail["BoundingBox"]
    age = detail.get("AgeRange", {})
    return DetectedFace(
        left=box["Left"],
        top=box["Top"],
        width=box["Width"],
        height=box["Height"],
        confidence=detail["Confidence"],
        age_low=age.get("Low"),
        age_high=age.get("High"),
        attributes={
            name: value for name, value in detail.items() if name not in ("BoundingBox", "Confidence", "AgeRange")
        },
    )
