"""Operation → price class, each with the source of its classification."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from media_catalog.models import RequestClass

logger = logging.getLogger(__name__)


class UnknownOperation(LookupError):
    """The code sends an operation that has no request class: add it below."""


@dataclass(frozen=True)
class Classified:
    request_class: RequestClass
    source: str


_S3 = "https://aws.amazon.com/s3/pricing/, Requests & data retrievals: "
_TIER1 = Classified(RequestClass.S3_TIER1, _S3 + "PUT, COPY, POST, LIST requests")
_TIER2 = Classified(RequestClass.S3_TIER2, _S3 + "GET, SELECT, and all other requests")
_FREE = Classified(RequestClass.FREE, _S3 + "DELETE and CANCEL requests are free")
_IMAGE = Classified(RequestClass.REKOGNITION_IMAGE, "https://aws.amazon.com/rekognition/pricing/: one image per call")
_INVOCATION = Classified(RequestClass.LAMBDA_INVOCATION, "https://aws.amazon.com/lambda/pricing/: one request per call")

CLASSES: Mapping[tuple[str, str], Classified] = {
    ("s3", "PutObject"): _TIER1,
    ("s3", "PostObject"): _TIER1,  # a browser's, by a form that we signed
    ("s3", "CreateBucket"): _TIER1,
    ("s3", "PutBucketCors"): _TIER1,
    ("s3", "ListBuckets"): _TIER1,
    ("s3", "ListObjectsV2"): _TIER1,
    ("s3", "CreateMultipartUpload"): _TIER1,
    ("s3", "UploadPart"): _TIER1,
    ("s3", "CompleteMultipartUpload"): _TIER1,
    ("s3", "GetObject"): _TIER2,
    ("s3", "HeadObject"): _TIER2,
    ("s3", "HeadBucket"): _TIER2,
    ("s3", "GetBucketCors"): _TIER2,
    ("s3", "DeleteObject"): _FREE,
    ("rekognition", "DetectFaces"): _IMAGE,
    ("lambda", "Invoke"): _INVOCATION,
}
# What an unknown operation counts as, by service: the dearest class of those it could be. Of all: Rekognition's.
DEAREST = {"s3": RequestClass.S3_TIER1, "lambda": RequestClass.LAMBDA_INVOCATION}


def classify(service: str, operation: str) -> RequestClass:
    """Price class of an operation.

    One that is not listed counts as the dearest class of its service, with a warning; with QUOTA_REFUSE_UNKNOWN
    (tests) it raises UnknownOperation.
    """
    found = CLASSES.get((service, operation))
    if found:
        return found.request_class
    if settings.QUOTA_REFUSE_UNKNOWN:
        raise UnknownOperation(f"{service} {operation}")
    dearest = DEAREST.get(service, RequestClass.REKOGNITION_IMAGE)
    logger.warning("request class of %s %s is not known, counted as %s", service, operation, dearest)
    return dearest
