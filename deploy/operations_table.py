"""Which AWS operations the code sends, which permissions they need, and which role has them.

`python deploy/operations_table.py` writes docs/aws-operations.md. Tests hold this against the code and the templates:
an operation that is used and not listed here fails there, with its name.
"""

from collections.abc import Mapping
from pathlib import Path

# Operation (service as botocore's events name it) → actions of IAM. An object that is told apart from a missing one
# needs s3:ListBucket too; where ours ask, the answer 403 for a missing object would be wrong.
ACTIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("s3", "AbortMultipartUpload"): ("s3:AbortMultipartUpload",),
    # Of an object with tags, S3 denies the whole copy without the two for tags.
    ("s3", "CopyObject"): ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"),
    ("s3", "CreateBucket"): ("s3:CreateBucket",),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject",),
    ("s3", "DeleteBucket"): ("s3:DeleteBucket",),
    ("s3", "DeleteBucketCors"): ("s3:PutBucketCORS",),
    ("s3", "DeleteBucketLifecycle"): ("s3:PutLifecycleConfiguration",),
    # With If-Match, S3 wants the second too.
    ("s3", "DeleteObject"): ("s3:DeleteObject", "s3:GetObject"),
    # Of keys. Versions take s3:DeleteObjectVersion, which no role has: emptying a bucket is denied, with nothing lost.
    ("s3", "DeleteObjects"): ("s3:DeleteObject",),
    ("s3", "DeletePublicAccessBlock"): ("s3:PutBucketPublicAccessBlock",),
    ("s3", "GetBucketCors"): ("s3:GetBucketCORS",),
    ("s3", "GetBucketEncryption"): ("s3:GetEncryptionConfiguration",),
    ("s3", "GetBucketLifecycleConfiguration"): ("s3:GetLifecycleConfiguration",),
    ("s3", "GetBucketNotificationConfiguration"): ("s3:GetBucketNotification",),
    ("s3", "GetBucketVersioning"): ("s3:GetBucketVersioning",),
    ("s3", "GetObject"): ("s3:GetObject", "s3:ListBucket"),
    ("s3", "GetPublicAccessBlock"): ("s3:GetBucketPublicAccessBlock",),
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "HeadObject"): ("s3:GetObject", "s3:ListBucket"),
    ("s3", "ListBuckets"): ("s3:ListAllMyBuckets",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions",),
    ("s3", "PutBucketCors"): ("s3:PutBucketCORS",),
    ("s3", "PutBucketEncryption"): ("s3:PutEncryptionConfiguration",),
    ("s3", "PutBucketLifecycleConfiguration"): ("s3:PutLifecycleConfiguration",),
    ("s3", "PutBucketNotificationConfiguration"): ("s3:PutBucketNotification",),
    ("s3", "PutBucketVersioning"): ("s3:PutBucketVersioning",),
    ("s3", "PutObject"): ("s3:PutObject",),
    ("s3", "PutPublicAccessBlock"): ("s3:PutBucketPublicAccessBlock",),
    ("sqs", "CreateQueue"): ("sqs:CreateQueue",),
    ("sqs", "DeleteMessageBatch"): ("sqs:DeleteMessage",),
    ("sqs", "GetQueueAttributes"): ("sqs:GetQueueAttributes",),
    ("sqs", "GetQueueUrl"): ("sqs:GetQueueUrl",),
    ("sqs", "ReceiveMessage"): ("sqs:ReceiveMessage",),
    ("sqs", "SetQueueAttributes"): ("sqs:SetQueueAttributes",),
    ("rekognition", "DetectFaces"): ("rekognition:DetectFaces", "s3:GetObject"),
    ("application-autoscaling", "DescribeScalingPolicies"): ("application-autoscaling:DescribeScalingPolicies",),
    ("logs", "FilterLogEvents"): ("logs:FilterLogEvents",),
    ("rds", "DescribeDBInstances"): ("rds:DescribeDBInstances",),
    ("sts", "GetCallerIdentity"): (),
}
# Role in deploy/cloudformation/roles.yaml → what its tasks send, and why. `NOBODY`: the stacks do it.
NOBODY = "nobody"
ROLES: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "WebRole": (
        "pages: uploads, previews, downloads, files, the browser of objects, the health of buckets",
        (
            ("s3", "AbortMultipartUpload"),
            ("s3", "CopyObject"),
            ("s3", "CreateMultipartUpload"),
            ("s3", "DeleteObject"),
            ("s3", "GetBucketCors"),
            ("s3", "GetBucketEncryption"),
            ("s3", "GetBucketLifecycleConfiguration"),
            ("s3", "GetBucketVersioning"),
            ("s3", "GetObject"),
            ("s3", "GetPublicAccessBlock"),
            ("s3", "HeadBucket"),
            ("s3", "HeadObject"),
            ("s3", "ListObjectVersions"),
            ("s3", "ListObjectsV2"),
            ("s3", "PutObject"),
        ),
    ),
    "WorkerRole": (
        "jobs: renditions, detection, buckets, inventories and what they find, the trash, retention, clearing up",
        (
            ("rekognition", "DetectFaces"),
            ("s3", "CopyObject"),
            ("s3", "DeleteObject"),
            ("s3", "DeleteObjects"),
            ("s3", "GetObject"),
            ("s3", "HeadBucket"),
            ("s3", "HeadObject"),
            ("s3", "ListBuckets"),
            ("s3", "ListObjectVersions"),
            ("s3", "PutObject"),
        ),
    ),
    "ConsumerRole": (
        "events of S3: looks at the object that one tells of, and whether its bucket is there; "
        "deletes what an upload by the API brought that is no image",
        (
            ("s3", "DeleteObject"),
            ("s3", "GetObject"),
            ("s3", "HeadBucket"),
            ("s3", "HeadObject"),
            ("sqs", "DeleteMessageBatch"),
            ("sqs", "GetQueueAttributes"),
            ("sqs", "GetQueueUrl"),
            ("sqs", "ReceiveMessage"),
        ),
    ),
    "ReleaseRole": (
        "one-off tasks: `release` publishes static files and, by `create_buckets`, writes down which buckets there are",
        (
            ("s3", "HeadBucket"),
            ("s3", "ListObjectsV2"),
            ("s3", "PutBucketCors"),
            ("s3", "PutObject"),
        ),
    ),
    "CheckRole": (
        "`postdeploy_check`: looks, changes nothing",
        (
            ("application-autoscaling", "DescribeScalingPolicies"),
            ("logs", "FilterLogEvents"),
            ("rds", "DescribeDBInstances"),
            ("s3", "GetPublicAccessBlock"),
            ("sts", "GetCallerIdentity"),
        ),
    ),
    NOBODY: (
        "buckets, their settings and the queues are made by the stack storage.yaml; pages that would change them say"
        " that access is denied",
        (
            ("s3", "CreateBucket"),
            ("s3", "DeleteBucket"),
            ("s3", "DeleteBucketCors"),
            ("s3", "DeleteBucketLifecycle"),
            ("s3", "DeletePublicAccessBlock"),
            ("s3", "GetBucketNotificationConfiguration"),
            ("s3", "PutBucketEncryption"),
            ("s3", "PutBucketLifecycleConfiguration"),
            ("s3", "PutBucketNotificationConfiguration"),
            ("s3", "PutBucketVersioning"),
            ("s3", "PutPublicAccessBlock"),
            ("sqs", "CreateQueue"),
            ("sqs", "SetQueueAttributes"),
        ),
    ),
}
TABLE = Path(__file__).resolve().parent.parent / "docs" / "aws-operations.md"


def actions_of(role: str) -> set[str]:
    """The actions that its policy must allow, no more and no less."""
    _why, operations = ROLES[role]
    return {action for operation in operations for action in ACTIONS[operation]}


def table() -> str:
    """The document."""
    lines = [
        "# AWS operations and roles",
        "",
        "Written by `deploy/operations_table.py`; tests hold it against `media_catalog/aws/` and",
        "`deploy/cloudformation/roles.yaml`.",
        "",
        "| role | for | operations | actions allowed |",
        "|---|---|---|---|",
    ]
    for role, (why, operations) in ROLES.items():
        sent = ", ".join(f"{service} {operation}" for service, operation in operations)
        allowed = ", ".join(f"`{action}`" for action in sorted(actions_of(role))) if role != NOBODY else "none"
        lines.append(f"| {role} | {why} | {sent} | {allowed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
