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
# The price list does not say whether a POST that deletes is a POST or a DELETE: counted as what costs more.
_BULK_DELETE = Classified(RequestClass.S3_TIER1, _S3 + "POST requests; a multi-object delete is one")
_IMAGE = Classified(RequestClass.REKOGNITION_IMAGE, "https://aws.amazon.com/rekognition/pricing/: one image per call")
_CONTROL = Classified(
    RequestClass.FREE, "https://aws.amazon.com/pricing/: lists no price for describing what is deployed"
)
_CREDENTIALS = Classified(
    RequestClass.FREE,
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/introduction.html: IAM, IAM Identity Center and STS are offered"
    " at no additional charge",
)
_INVOCATION = Classified(RequestClass.LAMBDA_INVOCATION, "https://aws.amazon.com/lambda/pricing/: one request per call")
_QUEUE = Classified(RequestClass.SQS_REQUEST, "https://aws.amazon.com/sqs/pricing/: every action is one request")

CLASSES: Mapping[tuple[str, str], Classified] = {
    ("s3", "PutObject"): _TIER1,
    ("s3", "PostObject"): _TIER1,  # a browser's, by a form that we signed
    ("s3", "CreateBucket"): _TIER1,
    ("s3", "CopyObject"): _TIER1,
    ("s3", "DeleteObjects"): _BULK_DELETE,
    ("s3", "PutBucketCors"): _TIER1,
    ("s3", "PutBucketNotificationConfiguration"): _TIER1,
    ("s3", "PutBucketEncryption"): _TIER1,
    ("s3", "PutBucketLifecycleConfiguration"): _TIER1,
    ("s3", "PutBucketVersioning"): _TIER1,
    ("s3", "PutPublicAccessBlock"): _TIER1,
    ("s3", "ListBuckets"): _TIER1,
    ("s3", "ListObjectsV2"): _TIER1,
    ("s3", "ListObjectVersions"): _TIER1,
    ("s3", "CreateMultipartUpload"): _TIER1,
    ("s3", "UploadPart"): _TIER1,
    ("s3", "CompleteMultipartUpload"): _TIER1,
    ("s3", "GetObject"): _TIER2,
    ("s3", "HeadObject"): _TIER2,
    ("s3", "HeadBucket"): _TIER2,
    ("s3", "GetBucketNotificationConfiguration"): _TIER2,
    ("s3", "GetBucketCors"): _TIER2,
    ("s3", "GetBucketEncryption"): _TIER2,
    ("s3", "GetBucketLifecycleConfiguration"): _TIER2,
    ("s3", "GetBucketVersioning"): _TIER2,
    ("s3", "GetPublicAccessBlock"): _TIER2,
    ("s3", "DeleteObject"): _FREE,
    ("s3", "DeleteBucket"): _FREE,
    ("s3", "DeleteBucketCors"): _FREE,
    ("s3", "DeleteBucketLifecycle"): _FREE,
    ("s3", "DeletePublicAccessBlock"): _FREE,
    ("s3", "AbortMultipartUpload"): _FREE,
    ("rekognition", "DetectFaces"): _IMAGE,
    ("lambda", "Invoke"): _INVOCATION,
    ("sqs", "CreateQueue"): _QUEUE,
    ("sqs", "DeleteMessageBatch"): _QUEUE,
    ("sqs", "GetQueueAttributes"): _QUEUE,
    ("sqs", "GetQueueUrl"): _QUEUE,
    ("sqs", "ReceiveMessage"): _QUEUE,
    ("sqs", "SetQueueAttributes"): _QUEUE,
    ("application-auto-scaling", "DescribeScalingPolicies"): _CONTROL,
    ("cloudwatch-logs", "FilterLogEvents"): _CONTROL,
    ("rds", "DescribeDBInstances"): _CONTROL,
    ("sts", "GetCallerIdentity"): _CREDENTIALS,
    # botocore's own, by clients that share our handler: how it comes by credentials and renews them
    ("sts", "AssumeRole"): _CREDENTIALS,
    ("sts", "AssumeRoleWithWebIdentity"): _CREDENTIALS,
    ("sso", "GetRoleCredentials"): _CREDENTIALS,
    ("sso-oidc", "CreateToken"): _CREDENTIALS,
    ("signin", "CreateOAuth2Token"): _CREDENTIALS,
}
# What an unknown operation counts as, by service: the dearest class of those it could be. A service that is not here
# has no class of its own, so no limit is for it.
DEAREST = {
    "s3": RequestClass.S3_TIER1,
    "rekognition": RequestClass.REKOGNITION_IMAGE,
    "lambda": RequestClass.LAMBDA_INVOCATION,
    "sqs": RequestClass.SQS_REQUEST,
}


def classify(service: str, operation: str) -> RequestClass:
    """Price class of an operation.

    One that is not listed counts as the dearest class of its service, as free where nothing of that has a class, with a
    warning; with QUOTA_REFUSE_UNKNOWN (tests) it raises UnknownOperation.
    """
    found = CLASSES.get((service, operation))
    if found:
        return found.request_class
    if settings.QUOTA_REFUSE_UNKNOWN:
        raise UnknownOperation(f"{service} {operation}")
    dearest = DEAREST.get(service, RequestClass.FREE)
    logger.warning("request class of %s %s is not known, counted as %s", service, operation, dearest)
    return dearest
