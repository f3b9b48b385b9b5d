"""Operation → price class.

Sources: S3 pricing, "Requests & data retrievals": PUT, COPY, POST and LIST are one class, GET, SELECT and all
other another, DELETE and CANCEL are free; ListBuckets is priced as LIST. Rekognition pricing: one image per
DetectFaces call.
"""

import logging

from media_catalog.models import RequestClass

logger = logging.getLogger(__name__)

TIER1, TIER2 = RequestClass.S3_TIER1, RequestClass.S3_TIER2

CLASSES: dict[tuple[str, str], RequestClass] = {
    ("s3", "PutObject"): TIER1,
    ("s3", "CreateBucket"): TIER1,
    ("s3", "PutBucketCors"): TIER1,
    ("s3", "ListBuckets"): TIER1,
    ("s3", "ListObjectsV2"): TIER1,
    ("s3", "GetObject"): TIER2,
    ("s3", "HeadObject"): TIER2,
    ("s3", "HeadBucket"): TIER2,
    ("s3", "DeleteObject"): RequestClass.FREE,
    ("rekognition", "DetectFaces"): RequestClass.REKOGNITION_IMAGE,
}


def classify(service: str, operation: str) -> RequestClass:
    """Price class of an operation; one that is not listed counts as the dearest of its service, with a warning."""
    found = CLASSES.get((service, operation))
    if found is None:
        found = RequestClass.REKOGNITION_IMAGE if service == "rekognition" else TIER1
        logger.warning("request class of %s %s is not known, counted as %s", service, operation, found)
    return found
